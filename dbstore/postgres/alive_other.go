//go:build !unix

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// checkAlive would have to ask the server here.
func checkAlive(context.Context, *pgx.Conn) error { return nil }
