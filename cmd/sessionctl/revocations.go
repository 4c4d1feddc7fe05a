package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/cmdflag"
	"sessionengine/internal/opendb"
	"sessionengine/internal/sqlkit"
	"sessionengine/revocation"
	"sessionengine/session"
)

var revocations = command{
	name:    "revocations",
	summary: "look after the list of the sessions in cookies that were ended",
	usage: `Tells how much is on the list of package revocation, for sites whose cookies hold
the sessions themselves: how many sessions were ended, how many owners had theirs
ended, and how much of that need not be there any more, since every cookie that it
could be about has expired.

With -owner it ends all sessions of an owner that have begun before, like
Manager.EndSessions. They end with the next request, or when the site's
Options.MaxStale is over. With -clear it deletes what need not be there any more,
like StartCleanup. With -migrate it creates the table, or what of it is missing;
an SQLite database is created if need be.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		r := &revocationList{db: new(database), maxAge: 400 * 24 * time.Hour}
		flags.StringVar(&r.db.url, "db", "", "the `URL` of the database; by default, what "+databaseVariable+" says")
		flags.StringVar(&r.db.table, "table", "session_revocation", "the `name` of the table")
		flags.StringVar(&r.owner, "owner", "", "end the sessions of this `owner`, as the site gives it to SetOwner")
		cmdflag.Duration(flags, &r.maxAge, "max-age", "h",
			"with -owner: the site's Options.MaxAge, a `duration` that no session outlives")
		flags.BoolVar(&r.clear, "clear", false, "delete what need not be there any more")
		flags.BoolVar(&r.migrate, "migrate", false, "create the table")
		return r.run
	},
}

// revocationList is the command as the flags tell it.
type revocationList struct {
	db             *database
	owner          string
	maxAge         time.Duration
	clear, migrate bool
}

func (r *revocationList) run(ctx context.Context, sys *system) (err error) {
	if r.clear && r.migrate || r.owner != "" && (r.clear || r.migrate) {
		return usagef("give one of -owner, -clear and -migrate")
	}
	parsed, err := r.db.parse(sys)
	if err != nil {
		return err
	}
	db, err := r.open(ctx, parsed)
	if err != nil {
		return err
	}
	defer db.Close()
	// No statement is used twice.
	list, err := revocation.NewSQLList(db, parsed.Dialect, revocation.SQLOptions{Table: r.db.table, NoPrepare: true})
	if err != nil {
		return usageError{err}
	}
	defer list.Close()
	done := ""
	switch {
	case r.migrate:
		err = list.Migrate(ctx)
		done = fmt.Sprintf("the table %s is ready", r.db.table)
	case r.clear:
		var n int64
		n, err = list.DeleteExpired(ctx)
		done = "deleted " + plural(n, "expired row")
	case r.owner != "":
		err = r.endOwner(ctx, list)
		done = "ended the sessions of the owner"
	default:
		err = r.count(ctx, sys, db, parsed)
	}
	if err != nil {
		if class, _ := sqlkit.Classify(parsed.Dialect, err); class == sqlkit.NoTable {
			return fmt.Errorf(`there is no table %s; "sessionctl revocations -migrate" creates it`, r.db.table)
		}
		return parsed.Error(err)
	}
	if done != "" {
		_, err = fmt.Fprintln(sys.stdout, done)
	}
	return err
}

func (r *revocationList) open(ctx context.Context, d opendb.Database) (*sql.DB, error) {
	if r.migrate && d.Dialect == dbstore.SQLite {
		return sqlite.OpenDB(ctx, d.Location)
	}
	return d.Open("rw")
}

// noEngine stands for the site's, whose cookies are not needed to end an owner's
// sessions.
type noEngine struct{ session.SessionStore }

func (r *revocationList) endOwner(ctx context.Context, list revocation.List) error {
	store, err := revocation.New(noEngine{}, list, revocation.Options{MaxAge: r.maxAge})
	if err != nil {
		return usageError{err}
	}
	_, err = store.EndSessions(ctx, r.owner)
	return err
}

// count prints how many rows of each kind there are.
func (r *revocationList) count(ctx context.Context, sys *system, db *sql.DB, d opendb.Database) error {
	table, err := d.Quote(r.db.table)
	if err != nil {
		return usageError{err}
	}
	var sessions, owners, expired int64
	err = db.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(CASE WHEN entry LIKE 's%%' THEN 1 END),"+
		" COUNT(CASE WHEN entry LIKE 'o%%' THEN 1 END), COUNT(CASE WHEN expires <= %d THEN 1 END) FROM %s",
		time.Now().Unix(), table)).Scan(&sessions, &owners, &expired)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(sys.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "ENTRIES\tOF\n%d\tsessions that were ended\n%d\towners whose sessions were ended\n", sessions, owners)
	fmt.Fprintf(tw, "%d\tof both that need not be there any more\n", expired)
	return tw.Flush()
}
