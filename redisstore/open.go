package redisstore

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Open connects to the server or servers of a URL. The store owns the connections,
// and has to be closed. The URL is one of
//
//	redis://user:password@host:6379/0               a single server
//	redis+sentinel://host:26379?master_name=mymaster&addr=host2:26379
//	redis+cluster://host:6379?addr=host2:6379
//
// with rediss, rediss+sentinel and rediss+cluster for TLS. addr may come several
// times. Other parameters are those of go-redis, such as pool_size and read_timeout
// ([redis.ParseURL], [redis.ParseFailoverURL], [redis.ParseClusterURL]).
//
// An operation ends when its context does. Open fails if the server does not answer.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	client, err := NewClient(url)
	if err != nil {
		return nil, err
	}
	s, err := New(client, opts)
	if err == nil {
		s.owned = true
		err = s.failure(ctx, "open", client.Ping(ctx).Err())
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// errURL does not contain the URL, which may contain a password.
var errURL = errors.New("redisstore: the URL cannot be read; it is redis://host:6379/0," +
	" redis+sentinel://host:26379?master_name=NAME or redis+cluster://host:6379, or rediss with TLS, and its" +
	" parameters are those of go-redis")

// NewClient returns a client for the server or servers of a URL, as [Open] makes
// one, for those who add hooks or send commands of their own. It has to be closed.
// Nothing is sent yet. Errors do not contain the URL.
func NewClient(url string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	scheme, kind, _ := strings.Cut(scheme, "+")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return nil, errURL
	}
	url = scheme + "://" + rest
	switch kind {
	case "":
		opts, err := redis.ParseURL(url)
		if err != nil {
			return nil, errURL
		}
		opts.ContextTimeoutEnabled = true
		return redis.NewClient(opts), nil
	case "sentinel":
		opts, err := redis.ParseFailoverURL(url)
		if err != nil || opts.MasterName == "" {
			return nil, errURL
		}
		opts.ContextTimeoutEnabled = true
		return redis.NewFailoverClient(opts), nil
	case "cluster":
		opts, err := redis.ParseClusterURL(url)
		if err != nil {
			return nil, errURL
		}
		opts.ContextTimeoutEnabled = true
		return redis.NewClusterClient(opts), nil
	}
	return nil, errURL
}
