package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sessionengine/bench"
)

// scsPostgres is scs with its store for pgx, on the server at that URL. Its table
// is in a schema of its own, which is dropped at the end.
func scsPostgres(name, url string) bench.Engine {
	open := func(ctx context.Context, _ string, count *bench.Counter) (bench.Site, error) {
		config, err := pgxpool.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		// The store's table has a fixed name, and sites share the server.
		schema := "sessionengine_peers_" + strings.ToLower(rand.Text()[:12])
		config.ConnConfig.RuntimeParams["search_path"] = schema
		if count != nil {
			config.ConnConfig.Tracer = tracer{count}
		}
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return nil, err
		}
		drop := func() error {
			_, err := pool.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
			pool.Close()
			return err
		}
		if _, err := pool.Exec(ctx, fmt.Sprintf(`
			CREATE SCHEMA %[1]s;
			CREATE TABLE %[1]s.sessions (
				token TEXT PRIMARY KEY,
				data BYTEA NOT NULL,
				expiry TIMESTAMPTZ NOT NULL
			);
			CREATE INDEX sessions_expiry_idx ON %[1]s.sessions (expiry)`, schema)); err != nil {
			return nil, errors.Join(err, drop())
		}
		return newSCSSite(pgxstore.NewWithCleanupInterval(pool, 0), drop), nil
	}
	return bench.Engine{Name: name, Open: open, Remote: true}
}

// tracer counts what is sent to the server.
type tracer struct{ count *bench.Counter }

func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	t.count.Add(1)
	return ctx
}

func (t tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
