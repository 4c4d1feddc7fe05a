package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb/pgdsn"
	"sessionengine/internal/opendb/quiet"
)

// Listener returns what [dbstore.Options].Listen needs: a function that opens a
// connection to the database that connString tells, and listens there.
//
// [Open] does so with its own connection string unless Listen is set. It has to be
// set where that string leads to a pooler that lends connections for one
// transaction, as pgbouncer in transaction mode, to one that leads to the server:
//
//	opts.Listen, err = postgres.Listener("postgres://app:secret@db.example.com/app")
func Listener(connString string) (func(ctx context.Context, channel string) (dbstore.Listener, error), error) {
	config, secrets, err := pgdsn.Parse(connString)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return listen(setUp(config), secrets), nil
}

func listen(config *pgx.ConnConfig, secrets []string) func(context.Context, string) (dbstore.Listener, error) {
	return func(ctx context.Context, channel string) (dbstore.Listener, error) {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, quiet.Error(err, secrets...)
		}
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			listener{conn}.Close()
			return nil, quiet.Error(err, secrets...)
		}
		return listener{conn}, nil
	}
}

type listener struct{ conn *pgx.Conn }

func (l listener) Receive(ctx context.Context) (string, error) {
	n, err := l.conn.WaitForNotification(ctx)
	if err != nil {
		return "", err
	}
	return n.Payload, nil
}

// Close says goodbye if the server is there to hear it.
func (l listener) Close() error {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	return l.conn.Close(ctx)
}
