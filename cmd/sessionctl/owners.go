package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sessionengine/dbstore"
	"sessionengine/internal/cmdflag"
	"sessionengine/session"
)

var list = command{
	name:    "list",
	summary: "list the sessions of an owner",
	usage: `Lists the living sessions of an owner, the one created last first. The site has to
note owners: with Options.Owners of package dbstore or redisstore, and
Session.SetOwner at login.

The ID is for "sessionctl revoke", and lets nobody in. What the site calls a
session comes last, with escapes for characters that are not printable. The times
are UTC.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		db := databaseFlags(flags)
		owner := ownerFlag(flags)
		return func(ctx context.Context, sys *system) (err error) {
			if *owner == "" {
				return usagef("whose sessions? Give their owner in -owner")
			}
			store, err := db.openOwners(ctx, sys)
			if err != nil {
				return err
			}
			defer closeStore(store, &err)
			infos, err := allSessions(ctx, store, *owner)
			if err != nil {
				return err
			}
			return printInfos(sys.stdout, infos)
		}
	},
}

var revoke = command{
	name:    "revoke",
	summary: "end a session, or those of an owner",
	usage: `Ends sessions in the database. They end with the next request that loads
them, and what a request under way would still save to one is not saved.

With -owner it ends the session of the owner that -id names, as "sessionctl list"
shows it, or with -all every one. A session that begins while that runs may stay.

Otherwise it ends the session whose token, the value of its cookie, is on standard
input; in the command line, every user of the machine would see it. A row's
session_key does instead of the token. Cookies that hold the session itself have
no row; package revocation ends those, and "sessionctl revocations" all of an owner.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		r := &revoker{db: databaseFlags(flags), owner: ownerFlag(flags)}
		flags.StringVar(&r.id, "id", "", "the `ID` of the one session of the owner to end")
		flags.BoolVar(&r.all, "all", false, "end all sessions of the owner")
		flags.StringVar(&r.cookie, "cookie", session.DefaultCookieName,
			"the `name` of the cookie that the token is of")
		return r.run
	},
}

func ownerFlag(flags *flag.FlagSet) *string {
	return flags.String("owner", "", "the `owner` of the sessions, as the site gives it to SetOwner")
}

// revoker is the command as the flags tell it.
type revoker struct {
	db     *database
	owner  *string
	id     string
	all    bool
	cookie string
}

func (r *revoker) run(ctx context.Context, sys *system) error {
	switch {
	case *r.owner == "" && (r.id != "" || r.all):
		return usagef("whose sessions? Give their owner in -owner")
	case *r.owner == "":
		return r.endToken(ctx, sys)
	case r.id != "" && r.all:
		return usagef("give -id or -all, not both")
	case r.id != "":
		return r.endOne(ctx, sys)
	case r.all:
		return r.endAll(ctx, sys)
	}
	return usagef("which sessions of the owner? Give -id or -all")
}

func (r *revoker) endOne(ctx context.Context, sys *system) (err error) {
	store, err := r.db.openOwners(ctx, sys)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	infos, err := allSessions(ctx, store, *r.owner)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(infos, func(info session.SessionInfo) bool { return info.ID == r.id }) {
		return fmt.Errorf("%w: the owner has no session with this ID", session.ErrNotFound)
	}
	if err := store.EndSession(ctx, *r.owner, r.id); err != nil {
		return err
	}
	return printEnded(sys.stdout, 1)
}

func (r *revoker) endAll(ctx context.Context, sys *system) (err error) {
	store, err := r.db.openOwners(ctx, sys)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	n, err := store.EndSessions(ctx, *r.owner)
	if err != nil && n == 0 {
		return explainOwners(err)
	}
	return errors.Join(explainOwners(err), printEnded(sys.stdout, n))
}

func (r *revoker) endToken(ctx context.Context, sys *system) error {
	token, err := readToken(sys, "")
	if err != nil {
		return err
	}
	if r.db.isRedis(sys) {
		return r.endKey(ctx, sys, token)
	}
	if !isRowToken(token) {
		return errors.New("this is not the token of a row: a cookie that holds the session itself cannot be ended here")
	}
	// The table has hashes of tokens, or the tokens themselves.
	err = r.endRow(ctx, sys, token, dbstore.Options{})
	if errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrExpired) {
		err = r.endRow(ctx, sys, token, dbstore.Options{RawKeys: true})
	}
	switch {
	case err == nil:
		return printEnded(sys.stdout, 1)
	case errors.Is(err, session.ErrExpired):
		return errors.New("the session is expired")
	}
	return err
}

// endKey deletes a session in Redis that is there and not expired.
func (r *revoker) endKey(ctx context.Context, sys *system, token string) (err error) {
	store, err := r.db.openRedis(ctx, sys, true)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	bound, err := store.ForCookie(r.cookie)
	if err != nil {
		return err
	}
	if _, err := loadKey(ctx, bound, token); err != nil {
		return err
	}
	if err := bound.Delete(ctx, token); err != nil {
		return err
	}
	return printEnded(sys.stdout, 1)
}

// endRow deletes a row that is there and not expired.
func (r *revoker) endRow(ctx context.Context, sys *system, token string, opts dbstore.Options) (err error) {
	store, err := r.db.open(ctx, sys, opts)
	if err != nil {
		return err
	}
	defer closeStore(store, &err)
	bound, err := store.ForCookie(r.cookie)
	if err != nil {
		return err
	}
	if _, err := loadRow(ctx, bound, token); err != nil {
		return err
	}
	return bound.Delete(ctx, token)
}

func printEnded(w io.Writer, n int64) error {
	_, err := fmt.Fprintf(w, "ended %s\n", plural(n, "session"))
	return err
}

// allSessions returns an owner's living sessions.
func allSessions(ctx context.Context, store session.OwnerLister, owner string) (infos []session.SessionInfo, err error) {
	for after := ""; ; {
		page, next, err := store.Sessions(ctx, owner, "", after, 0)
		if err != nil {
			return nil, explainOwners(err)
		}
		infos = append(infos, page...)
		if next == "" {
			return infos, nil
		}
		after = next
	}
}

// explainOwners says what to do if err is that there is no table of owners,
// which package dbstore tells in words only, or that it may not know of all.
func explainOwners(err error) error {
	if err != nil && (strings.Contains(err.Error(), "(Migrate creates the table)") ||
		errors.Is(err, dbstore.ErrOwnersIncomplete)) {
		return fmt.Errorf(`%w: run "sessionctl migrate -owners"`, err)
	}
	return err
}

// printInfos prints a table of sessions. What a visitor may have chosen stands at
// the end of its line, where it cannot pass for another column.
func printInfos(w io.Writer, infos []session.SessionInfo) error {
	if len(infos) == 0 {
		_, err := fmt.Fprintln(w, "the owner has no sessions")
		return err
	}
	moment := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tCREATED\tLAST SEEN\tEXPIRES\tLABEL")
	for _, info := range infos {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", info.ID, moment(info.Created), moment(info.LastSeen),
			moment(info.Expires), cmdflag.Word(info.Label))
	}
	return tw.Flush()
}
