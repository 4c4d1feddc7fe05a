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

With -owners it does the same for a second table, named like the first with
"_owner" put after it. Sites that note whose their sessions are need it. It also
goes through the whole table of sessions, and notes the owners of those that were
saved by a server which did not note them.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		owners := flags.Bool("owners", false, "create the table of owners as well")
		return func(ctx context.Context, sys *system) (err error) {
			store, err := db.create(ctx, sys, dbstore.Options{Owners: *owners})
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			if err := store.Migrate(ctx); err != nil {
				return err
			}
			if *owners {
				if _, err := store.IndexOwners(ctx); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(sys.stdout, "the table %s is ready\n", db.table)
			if err == nil && *owners {
				_, err = fmt.Fprintf(sys.stdout, "the table %s_owner is ready\n", db.table)
			}
			return err
		}
	},
}

var clearSessions = command{
	name:    "clearsessions",
	summary: "delete the sessions that are expired",
	usage: `Deletes the sessions that are expired, in small batches that do not hold up the
site. When it is interrupted, what it has deleted stays deleted.

With -owners it also deletes what the table of owners says about sessions that
have ended, which sites that have this table need now and then.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		owners := flags.Bool("owners", false, "clear the table of owners as well")
		return func(ctx context.Context, sys *system) (err error) {
			store, err := db.open(ctx, sys, dbstore.Options{Owners: *owners})
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			n, err := store.DeleteExpired(ctx)
			if err == nil || n > 0 {
				fmt.Fprintf(sys.stdout, "deleted %s\n", plural(n, "expired session"))
			}
			if *owners {
				err = explainOwners(err)
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
