package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// payload is a session of about the size of a login.
const payload = `{"_auth_user_id":"20","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
	`"_auth_user_hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","csrf":"Zq7vJ2kX4wP9sLd0TnEb8RyMcHf3UaGi"}`

// BenchmarkRead compares a Load with the query that it cannot do without, on
// the same settings: engine=floor.
func BenchmarkRead(b *testing.B) {
	for _, par := range []int{1, 16} {
		b.Run(fmt.Sprintf("engine=dbstore/driver=sqlite/par=%d", par), func(b *testing.B) {
			store := open(b, filepath.Join(b.TempDir(), "sessions.db"), sqlite.Options{})
			tokens := create(b, store)
			parallel(b, par, func(ctx context.Context, worker int) error {
				_, err := store.Load(ctx, tokens[worker])
				return err
			})
		})
		b.Run(fmt.Sprintf("engine=floor/driver=sqlite/par=%d", par), func(b *testing.B) {
			f := newFloor(b)
			parallel(b, par, f.read)
		})
	}
}

// BenchmarkWrite compares a Load and a Save with the two statements that they
// cannot do without.
func BenchmarkWrite(b *testing.B) {
	for _, par := range []int{1, 16} {
		b.Run(fmt.Sprintf("engine=dbstore/driver=sqlite/par=%d", par), func(b *testing.B) {
			store := open(b, filepath.Join(b.TempDir(), "sessions.db"), sqlite.Options{})
			tokens := create(b, store)
			parallel(b, par, func(ctx context.Context, worker int) error {
				rec, err := store.Load(ctx, tokens[worker])
				if err != nil {
					return err
				}
				flip(rec.Data)
				rec.Expires = rec.Expires.Add(time.Second)
				_, err = store.Save(ctx, tokens[worker], rec)
				return err
			})
		})
		b.Run(fmt.Sprintf("engine=floor/driver=sqlite/par=%d", par), func(b *testing.B) {
			f := newFloor(b)
			parallel(b, par, f.write)
		})
	}
}

const workers = 64

// create makes a session for each worker.
func create(b *testing.B, store session.SessionStore) []string {
	tokens := make([]string, workers)
	for i := range tokens {
		rec := &session.Record{Data: []byte(payload), Expires: time.Now().Add(14 * 24 * time.Hour).Truncate(time.Second)}
		token, err := store.Save(context.Background(), "", rec)
		if err != nil {
			b.Fatal(err)
		}
		tokens[i] = token
	}
	return tokens
}

// flip changes a session's data without changing its length.
func flip(data []byte) { data[len(data)-3] ^= 1 }

// parallel runs f in par goroutines, each a worker of its own.
func parallel(b *testing.B, par int, f func(ctx context.Context, worker int) error) {
	b.ReportAllocs()
	ctx := context.Background()
	if par == 1 {
		for b.Loop() {
			if err := f(ctx, 0); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	next := make(chan int, par)
	done := make(chan error, par)
	for i := range par {
		go func() {
			var err error
			for range next {
				if err == nil {
					err = f(ctx, i)
				}
			}
			done <- err
		}()
	}
	for b.Loop() {
		next <- 0
	}
	close(next)
	for range par {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// floor is a table like the store's, on a database with the same settings, and
// the bare statements on it.
type floor struct {
	selects, updates *sql.Stmt
	keys             []string
}

func newFloor(b *testing.B) *floor {
	path := filepath.Join(b.TempDir(), "floor.db")
	open(b, path, sqlite.Options{}) // creates the table
	const params = "?_pragma=busy_timeout(100)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	writer, err := sql.Open("sqlite", "file:"+path+params)
	if err != nil {
		b.Fatal(err)
	}
	reader, err := sql.Open("sqlite", "file:"+path+params)
	if err != nil {
		b.Fatal(err)
	}
	writer.SetMaxOpenConns(1)
	reader.SetMaxOpenConns(4)
	reader.SetMaxIdleConns(4)
	b.Cleanup(func() { reader.Close(); writer.Close() })

	f := new(floor)
	for i := range workers {
		key := strings.Repeat("k", 38) + fmt.Sprintf("%02d", i)
		f.keys = append(f.keys, key)
		if _, err := writer.Exec("INSERT INTO django_session VALUES (?, ?, '2999-01-02 03:04:05')", key, payload); err != nil {
			b.Fatal(err)
		}
	}
	if f.selects, err = reader.Prepare("SELECT session_data, expire_date || '' FROM django_session WHERE session_key = ?"); err != nil {
		b.Fatal(err)
	}
	if f.updates, err = writer.Prepare("UPDATE django_session SET session_data = ?, expire_date = ? WHERE session_key = ?"); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *floor) read(ctx context.Context, worker int) error {
	var data, expires string
	return f.selects.QueryRowContext(ctx, f.keys[worker]).Scan(&data, &expires)
}

func (f *floor) write(ctx context.Context, worker int) error {
	var data, expires string
	if err := f.selects.QueryRowContext(ctx, f.keys[worker]).Scan(&data, &expires); err != nil {
		return err
	}
	changed := []byte(data)
	flip(changed)
	t, err := time.Parse("2006-01-02 15:04:05", expires)
	if err != nil {
		return err
	}
	_, err = f.updates.ExecContext(ctx, string(changed), t.Add(time.Second).Format("2006-01-02 15:04:05"), f.keys[worker])
	return err
}
