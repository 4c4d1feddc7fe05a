package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var errPooler = errors.New("a connection pooler stands before the database and does not keep prepared statements," +
	" as pgbouncer in transaction mode: add default_query_exec_mode=cache_describe to the connection string," +
	" or =exec or =simple_protocol")

// checkPooler returns errPooler if statements cannot be prepared because a
// pooler lends each connection to others. One that keeps a connection for its
// client, or prepares statements again by itself, is as good as none.
func checkPooler(ctx context.Context, db *sql.DB, config *pgx.ConnConfig) error {
	if config.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driverConn any) error {
		first := driverConn.(*stdlib.Conn).Conn()
		// A pooler gives its clients process numbers of its own.
		var pid uint32
		err := first.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
		if err != nil || pid == first.PgConn().PID() {
			return nil // or it is a database without that function
		}
		second, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		defer second.Close(ctx)
		// Either both are lent the same connection, or one after the other is
		// lent different ones.
		const probe = "sessionengine_probe"
		for _, c := range []*pgx.Conn{first, second} {
			if _, err := c.PgConn().Prepare(ctx, probe, "SELECT 1", nil); err != nil {
				return pooled(err)
			}
		}
		for _, c := range []*pgx.Conn{first, second} {
			if err := c.PgConn().ExecPrepared(ctx, probe, nil, nil, nil).Read().Err; err != nil {
				return pooled(err)
			}
			if err := c.PgConn().Deallocate(ctx, probe); err != nil {
				return pooled(err)
			}
		}
		return nil
	})
}

// pooled returns errPooler in the place of an error that says that a prepared
// statement is there already, or is not.
func pooled(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "42P05" || e.Code == "26000") {
		return errPooler
	}
	return err
}
