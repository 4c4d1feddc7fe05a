package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"sessionengine/bench"
)

// scsSQLite is scs with its store for SQLite.
func scsSQLite(name string) bench.Engine {
	open := func(ctx context.Context, dir string, count *bench.Counter) (bench.Site, error) {
		settings := url.Values{
			"_pragma": {"busy_timeout(250)", "journal_mode(WAL)", "synchronous(NORMAL)"},
			// The store passes times to SQLite's julianday, which has to
			// understand them.
			"_time_format": {"sqlite"},
		}
		path := (&url.URL{Path: filepath.Join(dir, "scs.db")}).EscapedPath()
		db, err := count.OpenDB("sqlite", "file:"+path+"?"+settings.Encode())
		if err != nil {
			return nil, err
		}
		if _, err := db.ExecContext(ctx, `
			CREATE TABLE sessions (
				token TEXT PRIMARY KEY,
				data BLOB NOT NULL,
				expiry REAL NOT NULL
			);
			CREATE INDEX sessions_expiry_idx ON sessions(expiry)`); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return newSCSSite(sqlite3store.NewWithCleanupInterval(db, 0), db.Close), nil
	}
	return bench.Engine{Name: name, Open: open}
}

// scsMemory is scs with its store in memory.
func scsMemory(name string) bench.Engine {
	return bench.Engine{Name: name, Open: func(context.Context, string, *bench.Counter) (bench.Site, error) {
		return newSCSSite(memstore.NewWithCleanupInterval(0), nil), nil
	}}
}

type scsSite struct {
	manager *scs.SessionManager
	close   func() error // or nil
}

func newSCSSite(store scs.Store, close func() error) *scsSite {
	registerValues()
	m := scs.New()
	m.Store = store
	m.Lifetime = 14 * 24 * time.Hour
	m.Cookie.Name = "sessionid"
	m.Cookie.Secure = true
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return &scsSite{m, close}
}

func (s *scsSite) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

func (s *scsSite) Handler(a bench.Action) http.Handler {
	values, err := valuesOf(a.Set)
	if err != nil {
		return failing(err)
	}
	return s.manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.TouchesNothing() {
			return
		}
		ctx := r.Context()
		if a.Renew {
			if err := s.manager.RenewToken(ctx); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		for key, v := range values {
			s.manager.Put(ctx, key, v)
		}
		if a.Count != nil {
			s.manager.Put(ctx, bench.CountKey, a.Count.Add(1))
		}
		var read any
		if a.Read.Key != "" {
			read = s.manager.Get(ctx, a.Read.Key)
		}
		if a.Flush {
			if err := s.manager.Destroy(ctx); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		if a.Meanwhile != nil {
			a.Meanwhile()
		}
		answer(w, read)
	}))
}
