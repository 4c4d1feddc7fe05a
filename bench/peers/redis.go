package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/alexedwards/scs/redisstore"
	"github.com/gomodule/redigo/redis"

	"sessionengine/bench"
)

// scsRedis is scs with its store for Redis, on the server at that URL. Its keys
// have a prefix of their own, and are deleted at the end.
func scsRedis(name, url string) bench.Engine {
	open := func(ctx context.Context, _ string, count *bench.Counter) (bench.Site, error) {
		pool := &redis.Pool{MaxIdle: 10, DialContext: func(ctx context.Context) (redis.Conn, error) {
			conn, err := redis.DialURLContext(ctx, url)
			if err != nil || count == nil {
				return conn, err
			}
			return countedConn{conn, count}, nil
		}}
		prefix := "sessionengine_peers_" + strings.ToLower(rand.Text()[:12]) + ":"
		release := func() error { return errors.Join(deleteKeys(pool, prefix), pool.Close()) }
		conn, err := pool.GetContext(ctx)
		if err == nil {
			_, err = conn.Do("PING")
			err = errors.Join(err, conn.Close())
		}
		if err != nil {
			return nil, errors.Join(err, pool.Close())
		}
		return newSCSSite(redisstore.NewWithPrefix(pool, prefix), release), nil
	}
	return bench.Engine{Name: name, Open: open, Remote: true}
}

// deleteKeys deletes what has that prefix, some at a time.
func deleteKeys(pool *redis.Pool, prefix string) error {
	conn := pool.Get()
	defer conn.Close()
	for cursor := "0"; ; {
		reply, err := redis.Values(conn.Do("SCAN", cursor, "MATCH", prefix+"*", "COUNT", 1000))
		if err != nil {
			return err
		}
		var keys []any
		if _, err := redis.Scan(reply, &cursor, &keys); err != nil {
			return err
		}
		if len(keys) > 0 {
			if _, err := conn.Do("DEL", keys...); err != nil {
				return err
			}
		}
		if cursor == "0" {
			return nil
		}
	}
}

// countedConn counts how often its server is asked and waited for. Commands that
// are sent together, as those of a transaction, count as one.
type countedConn struct {
	redis.Conn
	count *bench.Counter
}

func (c countedConn) Do(command string, args ...any) (any, error) {
	if command != "" { // which sends nothing: the pool makes sure that nothing is left
		c.count.Add(1)
	}
	return c.Conn.Do(command, args...)
}
