package main

import (
	"context"
	"flag"
	"fmt"

	"sessionengine/dbstore"
)

var migrate = command{
	name:    "migrate",
	summary: "create the table of sessions, or what of it is missing",
	usage: `Creates the table of sessions with its index, or what of them is missing, and
leaves alone what is there. Django's table is one that is there. It may run on
several machines at once. An SQLite database is created if need be.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		return func(ctx context.Context, sys *system) (err error) {
			store, err := db.create(ctx, sys)
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			if err := store.Migrate(ctx); err != nil {
				return err
			}
			_, err = fmt.Fprintf(sys.stdout, "the table %s is ready\n", db.table)
			return err
		}
	},
}

var clearSessions = command{
	name:    "clearsessions",
	summary: "delete the sessions that are expired",
	usage: `Deletes the sessions that are expired, in small batches that do not hold up the
site. When it is interrupted, what it has deleted stays deleted.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		return func(ctx context.Context, sys *system) (err error) {
			store, err := db.open(ctx, sys, dbstore.Options{})
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			n, err := store.DeleteExpired(ctx)
			if err == nil || n > 0 {
				fmt.Fprintf(sys.stdout, "deleted %s\n", plural(n, "expired session"))
			}
			return err
		}
	},
}

// closeStore closes a store when a function returns, and makes an error of it
// the function's if it has no other.
func closeStore(store *dbstore.Store, err *error) {
	if closeErr := store.Close(); *err == nil {
		*err = closeErr
	}
}
