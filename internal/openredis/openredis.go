// Package openredis opens servers of Redis or Valkey that are given as URLs on a
// command line.
package openredis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/opendb/quiet"
	"sessionengine/redisstore"
)

// A Server is a server, or several, as a URL tells them. Printing it may show a
// password.
type Server struct {
	URL     string
	secrets []string
}

// go-redis logs each failed attempt to connect to standard error, in the middle of
// what a command writes there. The errors that it returns say the same.
func init() { redis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// ErrScheme says what URLs a command takes that takes those of databases, too.
var ErrScheme = errors.New("the URL of a database begins with sqlite:, postgres://, mysql:// or redis://")

// Is reports whether text begins as such a URL does.
func Is(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	kind, more, _ := strings.Cut(scheme, "+")
	return ok && (kind == "redis" || kind == "rediss") && (more == "" || more == "sentinel" || more == "cluster")
}

// Parse reads a URL as [redisstore.Open] takes it. Errors do not quote it, since it
// may contain a password.
func Parse(text string) (Server, error) {
	s := Server{URL: text}
	var err error
	if s.secrets, err = quiet.URLPassword(text); err != nil {
		return Server{}, fmt.Errorf("that is no URL of Redis: %w", err)
	}
	for _, secret := range s.secrets {
		if plain, err := url.PathUnescape(secret); err == nil {
			s.secrets = append(s.secrets, plain)
		}
	}
	_, query, _ := strings.Cut(text, "?")
	if options, err := url.ParseQuery(query); err == nil {
		for name, values := range options {
			if strings.HasSuffix(name, "password") { // of Sentinel's own, for example
				s.secrets = append(s.secrets, values...)
			}
		}
	}
	client, err := s.Client()
	if err != nil {
		return Server{}, fmt.Errorf("that is no URL of Redis: %w", s.Error(err))
	}
	return s, client.Close()
}

// Client returns a client. Nothing has been sent yet.
func (s Server) Client() (redis.UniversalClient, error) { return redisstore.NewClient(s.URL) }

// Error returns an error of the server without any part of a password.
func (s Server) Error(err error) error { return quiet.Error(err, s.secrets...) }

// DeleteKeys deletes what begins with that prefix and a colon, some at a time, on
// all primaries. The prefix has nothing in it that means something in a pattern.
func DeleteKeys(ctx context.Context, client redis.UniversalClient, prefix string) error {
	return EachPrimary(ctx, client, func(ctx context.Context, server redis.UniversalClient) error {
		for cursor := uint64(0); ; {
			keys, next, err := server.Scan(ctx, cursor, prefix+":*", 1000).Result()
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				_, err = server.Pipelined(ctx, func(p redis.Pipeliner) error {
					for _, key := range keys { // one by one, for they are in different slots
						p.Unlink(ctx, key)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
}

// EachPrimary calls do with a client for each server that takes writes. In a Cluster
// it does so for several at once.
func EachPrimary(ctx context.Context, client redis.UniversalClient,
	do func(ctx context.Context, server redis.UniversalClient) error) error {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return do(ctx, c) })
	}
	return do(ctx, client)
}
