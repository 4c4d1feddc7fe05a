package dbstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// A Listener is a connection that listens on a channel of the database. Receive
// waits for the payload of the next notification; an error is final, and so is
// the end of its context.
type Listener interface {
	Receive(ctx context.Context) (payload string, err error)
	Close() error
}

// Changes implements [session.ChangeTeller] for PostgreSQL, with
// [Options.Changes]: triggers on the table notify a channel (PostgreSQL's NOTIFY)
// whoever changes a row, and a connection besides the pool's listens on it.
//
// The connection has to be one to the server itself: a pooler that lends
// connections for one transaction, as pgbouncer in transaction mode, hands the
// notifications to nobody. Whether they arrive is tried before ready is called,
// and again all the time, through the pool that the sessions are saved with: so
// that it listens to the server that they are saved on, in whatever way that
// changes, is tried, too.
//
// With RawKeys the key is a hash of the row's; otherwise it is the row's.
func (s *Store) Changes() (session.ChangeFeed, error) {
	switch {
	case s.dialect != Postgres:
		return session.ChangeFeed{}, fmt.Errorf("dbstore: %w: %w: %v cannot tell who listens of changes: it has to be"+
			" PostgreSQL; SQLite reads as fast as a cache without that", session.ErrMisuse, errors.ErrUnsupported,
			s.dialect)
	case !s.opts.Changes:
		return session.ChangeFeed{}, fmt.Errorf("dbstore: %w: %w: set Options.Changes, and run Migrate",
			session.ErrMisuse, errors.ErrUnsupported)
	case s.opts.Listen == nil:
		return session.ChangeFeed{}, fmt.Errorf("dbstore: %w: %w: set Options.Listen, for which package postgres has"+
			" Listener", session.ErrMisuse, errors.ErrUnsupported)
	}
	return session.ChangeFeed{Key: s.changeKey, Watch: s.watch}, nil
}

// changeKey returns the key that the triggers notify of for a token.
func (s *Store) changeKey(token string) (string, bool) {
	key, ok := s.key(token)
	if ok && s.opts.RawKeys {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return key, ok
}

// changeChannel is the channel of the table's changes. Tables of the same name in
// other schemas share it, and their sessions have other keys.
func (s *shared) changeChannel() string {
	name := "sessionengine_" + s.table.Name
	return name[:min(len(name), maxTableName)]
}

// changeTrigger begins the names of the triggers. They differ in what they notify
// of.
func (s *shared) changeTrigger() string {
	if s.opts.RawKeys {
		return "sessionengine_changed_raw"
	}
	return "sessionengine_changed"
}

// migrateChanges creates the function and the triggers that it calls.
//
// Not told is what need not be: that a life was extended, and that a row was
// deleted whose life is over, as the cleanup does, unless by so little that
// somebody's clock may see it differently.
func (s *shared) migrateChanges(ctx context.Context) error {
	if s.dialect != Postgres {
		_, err := (&Store{shared: s}).Changes()
		return err
	}
	const hasFunction = "SELECT count(*) FROM pg_proc AS p JOIN pg_class AS c ON c.relnamespace = p.pronamespace" +
		" WHERE p.proname = 'sessionengine_changed' AND c.oid = "
	table := "'" + s.quoted + "'::regclass"
	function := "sessionengine_changed"
	if s.table.Schema != "" {
		function = s.dialect.Quote(s.table.Schema) + "." + function
	}
	n, err := sqlkit.Value[int](ctx, s.db, s.db.Once(hasFunction+table))
	if err != nil {
		return err
	}
	if n == 0 {
		err := s.db.Create(ctx, "CREATE FUNCTION "+function+"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"+
			" PERFORM pg_catalog.pg_notify(TG_ARGV[0], CASE WHEN TG_OP = 'TRUNCATE' THEN ''"+
			" WHEN TG_ARGV[1] = 'raw' THEN pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to("+
			"OLD.session_key, pg_catalog.getdatabaseencoding())), 'hex') ELSE OLD.session_key END);"+
			" RETURN NULL; END $$")
		if err != nil {
			return err
		}
	}
	kind := "hash"
	if s.opts.RawKeys {
		kind = "raw"
	}
	for _, trigger := range []struct{ name, on string }{
		{"_update", "AFTER UPDATE ON " + s.quoted + " FOR EACH ROW WHEN (OLD.session_key <> NEW.session_key" +
			` OR OLD.session_data <> NEW.session_data COLLATE "C" OR OLD.expire_date > NEW.expire_date)`},
		{"_delete", "AFTER DELETE ON " + s.quoted + " FOR EACH ROW" +
			" WHEN (OLD.expire_date > now() - interval '5 minutes')"},
		{"_truncate", "AFTER TRUNCATE ON " + s.quoted + " FOR EACH STATEMENT"},
	} {
		name := s.changeTrigger() + trigger.name
		n, err := sqlkit.Value[int](ctx, s.db, s.db.Once("SELECT count(*) FROM pg_trigger WHERE tgname = '"+name+
			"' AND tgrelid = "+table))
		if err != nil {
			return err
		}
		if n == 0 {
			err := s.db.Create(ctx, "CREATE TRIGGER "+name+" "+trigger.on+" EXECUTE FUNCTION "+function+"('"+
				s.changeChannel()+"', '"+kind+"')")
			if err != nil {
				return err
			}
		}
	}
	return nil
}

var errSilent = errors.New("dbstore: a notification that was sent has not arrived: a pooler that lends connections" +
	" for one transaction, as pgbouncer in transaction mode, may stand before the database (then let Options.Listen" +
	" connect to the server itself), or the connection that listens leads to another server than the others")

// The least and the longest time between two notifications that show that they
// arrive.
const (
	minBeat = 300 * time.Millisecond
	maxBeat = 2 * time.Second
)

// watch is the Watch of a [session.ChangeFeed].
func (s *shared) watch(ctx context.Context, within time.Duration, ready func(), changed func(key string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.db.Closing, func() { cancel(session.ErrClosed) })()
	opening, stop := context.WithTimeout(ctx, s.opts.Timeout)
	listener, err := s.opts.Listen(opening, s.changeChannel())
	stop()
	if err != nil {
		return s.db.Failure(ctx, "listen", err)
	}
	defer listener.Close()
	beat := "." + rand.Text() // no key begins so
	heard := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { cancel(s.beat(ctx, beat, min(max(within/3, minBeat), maxBeat), heard)) })
	for watching := false; ; {
		payload, err := listener.Receive(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			cancel(err)
			return s.db.Failure(ctx, "listen", err)
		case payload == beat:
			if !watching {
				ready()
				watching = true
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		case watching && (payload == "" || payload[0] != '.'):
			changed(payload)
		}
	}
}

// beat sends a notification now and then, and returns an error when one does not
// arrive, or the triggers are not there.
func (s *shared) beat(ctx context.Context, payload string, every time.Duration, heard <-chan struct{}) error {
	notify := s.db.Once("SELECT count(pg_notify(?, ?)) FROM pg_trigger WHERE tgrelid = '" + s.quoted +
		"'::regclass AND tgenabled <> 'D' AND tgname = '" + s.changeTrigger() + "_update'")
	for {
		asking, stop := context.WithTimeout(ctx, every*3/2)
		n, err := s.notify(asking, notify, payload)
		switch {
		case err != nil:
		case n == 0:
			err = fmt.Errorf("dbstore: %w: the table %s has no triggers that tell of changes: run Migrate with"+
				" Options.Changes", session.ErrMisuse, s.table.Name)
		default:
			select {
			case <-heard:
			case <-asking.Done():
				err = errSilent
			}
		}
		stop()
		if err == nil {
			err = sqlkit.Pause(ctx, every)
		}
		if err != nil {
			return err
		}
	}
}

func (s *shared) notify(ctx context.Context, st *sqlkit.Statement, payload string) (int, error) {
	if err := s.db.Begin(); err != nil {
		return 0, err
	}
	defer s.db.End()
	n, err := sqlkit.Value[int](ctx, s.db, st, s.changeChannel(), payload)
	if err != nil {
		err = s.db.Failure(ctx, "notify", err)
	}
	return n, err
}
