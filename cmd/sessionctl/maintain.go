package main

import (
	"context"
	"flag"
	"fmt"
	"io"

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

In Redis and Valkey there is nothing to create.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		owners := flags.Bool("owners", false, "create the table of owners as well")
		return func(ctx context.Context, sys *system) (err error) {
			if db.isRedis(sys) {
				return db.nothingToDo(ctx, sys, "nothing to create: in Redis there are no tables")
			}
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

In Redis and Valkey there is nothing to do: the server deletes what is expired.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		owners := flags.Bool("owners", false, "clear the table of owners as well")
		return func(ctx context.Context, sys *system) (err error) {
			if db.isRedis(sys) {
				return db.nothingToDo(ctx, sys, "nothing to do: Redis deletes the sessions that are expired")
			}
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

// nothingToDo says so, if the server answers.
func (d *database) nothingToDo(ctx context.Context, sys *system, why string) (err error) {
	store, err := d.openRedis(ctx, sys, false)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	_, err = fmt.Fprintln(sys.stdout, why)
	return err
}

var count = command{
	name:    "count",
	summary: "count the sessions",
	usage: `Tells how many sessions are alive, and how many are expired and not yet deleted.

In a table it reads all rows. In Redis and Valkey it goes through all keys of the
server or servers, some at a time, those of others included; sessions that begin or
end meanwhile may be counted or not.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		return func(ctx context.Context, sys *system) (err error) {
			if db.isRedis(sys) {
				return db.countRedis(ctx, sys)
			}
			store, err := db.open(ctx, sys, dbstore.Options{})
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			active, expired, err := store.Count(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(sys.stdout, "%s alive, and %d expired\n", plural(active, "session"), expired)
			return err
		}
	},
}

// countRedis counts those in Redis.
func (d *database) countRedis(ctx context.Context, sys *system) (err error) {
	store, err := d.openRedis(ctx, sys, false)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	n, err := store.Count(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(sys.stdout, plural(n, "session")+" alive")
	return err
}

var check = command{
	name:    "check",
	summary: "look for what would lose sessions",
	usage: `Looks whether the database, as it is set up, can keep sessions, and prints what it
finds, a line each. The exit status is 1 if there is anything.

In Redis and Valkey it asks each primary whether it drops sessions when memory is
short, whether its version is too old, whether changes go to the disk, and so on; see
"Running a server" in the documentation of package redisstore. Of a table it
finds only whether it is there and can be read.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		return func(ctx context.Context, sys *system) (err error) {
			if db.isRedis(sys) {
				return db.checkRedis(ctx, sys)
			}
			store, err := db.open(ctx, sys, dbstore.Options{})
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			if _, _, err := store.Count(ctx); err != nil {
				return err
			}
			_, err = fmt.Fprintln(sys.stdout, "nothing found")
			return err
		}
	},
}

func (d *database) checkRedis(ctx context.Context, sys *system) (err error) {
	store, err := d.openRedis(ctx, sys, false)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	found, err := store.Check(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Server != "" {
			f.Text = f.Server + ": " + f.Text
		}
		if _, err := fmt.Fprintln(sys.stdout, f.Text); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("found %s", plural(int64(len(found)), "thing"))
	}
	_, err = fmt.Fprintln(sys.stdout, "nothing found")
	return err
}

// closeStore closes a store when a function returns, and makes an error of it
// the function's if it has no other.
func closeStore(store io.Closer, err *error) {
	if closeErr := store.Close(); *err == nil {
		*err = closeErr
	}
}
