package bench

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/revocation"
	"sessionengine/signedcookie"
)

// revocableEngine is signedcookie with what has been ended on a list in an SQLite
// file, which has the settings that package sqlite gives a store's.
func revocableEngine(name string) Engine {
	return Engine{
		Name:  name,
		Cache: signedcookie.DefaultCacheBytes,
		Floor: revocableFloor,
		Open: func(ctx context.Context, dir string, count *Counter) (Site, error) {
			cookies, err := newCookieStore(signedcookie.Options{})
			if err != nil {
				return nil, err
			}
			_, list, release, err := openList(ctx, dir, count)
			if err != nil {
				return nil, err
			}
			store, err := revocation.New(cookies, list, revocation.Options{})
			if err != nil {
				return nil, errors.Join(err, release())
			}
			return NewSite(store, release)
		},
	}
}

// openList opens a new list, and returns how to close it with its database.
func openList(ctx context.Context, dir string, count *Counter) (db *sql.DB, list *revocation.SQLList,
	release func() error, err error) {
	db, err = count.OpenDB("sqlite", dataSource(filepath.Join(dir, "revocation.db"), sqlite.Options{}))
	if err != nil {
		return nil, nil, nil, err
	}
	conns := max(4, runtime.GOMAXPROCS(0)) // as many as package sqlite has
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if list, err = revocation.NewSQLList(db, dbstore.SQLite, revocation.SQLOptions{}); err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	release = func() error { return errors.Join(list.Close(), db.Close()) }
	if err := list.Migrate(ctx); err != nil {
		return nil, nil, nil, errors.Join(err, release())
	}
	return db, list, release, nil
}

// revocableFloor is the floor of cookies, and a prepared SELECT by primary key
// with each reading and each writing: whether a session has been ended has to be
// asked when it is loaded, and again when it is saved.
func revocableFloor(ctx context.Context, dir string, s Session) (*Floor, error) {
	cookies, err := cookieFloor(ctx, dir, s)
	if err != nil {
		return nil, err
	}
	db, list, release, err := openList(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for i := range ring {
		if _, err := list.End(ctx, strconv.Itoa(i), time.Now().Add(time.Hour)); err != nil {
			return nil, errors.Join(err, release())
		}
	}
	lookUp, err := db.PrepareContext(ctx, "SELECT generation FROM session_revocation WHERE entry = ?")
	if err != nil {
		return nil, errors.Join(err, release())
	}
	ask := func() error {
		var generation int64
		err := lookUp.QueryRow("s-a session that goes on").Scan(&generation)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return errors.Join(err, errors.New("the list has a session that was not ended"))
	}
	return &Floor{
		Read:  func() error { return errors.Join(ask(), cookies.Read()) },
		Write: func() error { return errors.Join(ask(), cookies.Write(), ask()) },
		Close: func() error { return errors.Join(lookUp.Close(), release()) },
	}, nil
}
