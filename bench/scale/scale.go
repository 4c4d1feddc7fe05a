// Package scale tells what a great many sessions take, ten million for example:
// the size of a table and of its indexes, the time to clean it up, and the
// cookies that travel in a day.
//
// It measures tables of growing size, as package dbstore keeps them in an SQLite
// file, and pages as package wire counts their bytes, and works out the rest by
// formulas that it prints. How far they can be trusted shows in how well the
// smaller tables foretell the largest one.
package scale

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/wire"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// Config says what [Measure] measures.
type Config struct {
	// Session is what all sessions look like.
	Session bench.Session

	// Rows are the sizes of the tables, the smallest first: two at least.
	Rows []int

	// Engines are those whose cookies are counted.
	Engines []bench.Engine

	// Dir is where databases are kept, in files that are deleted at the end; ""
	// means the system's directory for temporary files.
	Dir string

	// Progress, unless nil, is called before each table is filled.
	Progress func(rows int)
}

// A Result is what was measured.
type Result struct {
	Environment Environment `json:"environment"`
	Session     string      `json:"session"`
	JSON        int         `json:"json_bytes"` // of each session
	Batch       int         `json:"batch"`      // rows that the cleanup deletes at a time
	Tables      []Table     `json:"tables"`
	Pages       []Page      `json:"pages"`
}

// Environment is where it was measured.
type Environment struct {
	Started   time.Time `json:"started"`
	GoVersion string    `json:"go_version"`
	Platform  string    `json:"platform"`
	Cores     int       `json:"cores"`
}

// A Table is what was measured of a table of one size. Half of its sessions have
// expired when the cleanup begins.
type Table struct {
	Rows int `json:"rows"`

	// Save and Load are how long one takes, in seconds: saving new sessions one
	// after the other in several goroutines, and loading them at random.
	Save float64 `json:"save_s"`
	Load float64 `json:"load_s"`

	Filled  Sizes   `json:"filled"`
	Cleanup Cleanup `json:"cleanup"`

	// Refilled is the table when new sessions have taken the place of those that
	// were deleted: what it takes on a site where sessions come and go.
	Refilled Sizes `json:"refilled"`
}

// Sizes are the bytes of a table, its indexes and its file.
type Sizes struct {
	Table       int64 `json:"table"`
	KeyIndex    int64 `json:"key_index"`
	ExpiryIndex int64 `json:"expiry_index"`
	File        int64 `json:"file"` // with pages that are free
}

// A Cleanup is one pass.
type Cleanup struct {
	Deleted int64   `json:"deleted"`
	Seconds float64 `json:"seconds"` // with the rest after each batch, which is as long as the batch
}

// A Page is what a page takes on the wire because of its session.
type Page struct {
	Engine   string  `json:"engine"`
	Protocol string  `json:"protocol"`
	Requests int     `json:"requests"`
	Up       float64 `json:"up_bytes"`
	Down     float64 `json:"down_bytes"`
}

// Measure measures what cfg says. It stops with the context's error when ctx
// ends.
func Measure(ctx context.Context, cfg Config) (*Result, error) {
	if len(cfg.Rows) < 2 || !slices.IsSorted(cfg.Rows) || cfg.Rows[0] < 100 {
		return nil, fmt.Errorf("scale: tables of %v rows; there have to be two at least, of a hundred rows at least, the smallest first", cfg.Rows)
	}
	dir, err := os.MkdirTemp(cfg.Dir, "scale-")
	if err != nil {
		return nil, fmt.Errorf("scale: %w", err)
	}
	defer os.RemoveAll(dir)
	data := cfg.Session.JSON()
	result := &Result{
		Environment: Environment{
			Started: time.Now().UTC().Truncate(time.Second), GoVersion: runtime.Version(),
			Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0),
		},
		Session: cfg.Session.Name, JSON: len(data), Batch: batch,
	}
	for _, rows := range cfg.Rows {
		if cfg.Progress != nil {
			cfg.Progress(rows)
		}
		table, err := measureTable(ctx, filepath.Join(dir, fmt.Sprint(rows)), data, rows)
		if err != nil {
			return nil, fmt.Errorf("scale: %d rows: %w", rows, err)
		}
		result.Tables = append(result.Tables, table)
	}
	if result.Pages, err = measurePages(ctx, cfg); err != nil {
		return nil, fmt.Errorf("scale: %w", err)
	}
	return result, nil
}

// batch is what [dbstore.Options.CleanupBatch] is by default.
const batch = 500

// life is that of sessions, and margin what is added so that none expires while
// they are measured. What has expired did so no longer ago than their sum.
const (
	life   = 14 * 24 * time.Hour
	margin = time.Hour
)

// A filler makes sessions in a store.
type filler struct {
	store *dbstore.Store
	data  []byte

	mu     sync.Mutex
	tokens []string // of sessions that are alive
}

func measureTable(ctx context.Context, path string, data []byte, rows int) (t Table, err error) {
	store, err := sqlite.Open(ctx, path, sqlite.Options{Options: dbstore.Options{CleanupBatch: batch}})
	if err != nil {
		return t, err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, store.Close())
		}
		err = errors.Join(err, os.Remove(path))
	}()
	t.Rows = rows
	f := &filler{store: store, data: data}
	now := time.Now()
	start := time.Now()
	// Every other session has expired, at any time in the last two weeks.
	if err := f.fill(ctx, rows, func(i int) time.Time {
		return now.Add(time.Duration(1-2*(i%2)) * (margin + rand.N(life)))
	}); err != nil {
		return t, err
	}
	t.Save = time.Since(start).Seconds() / float64(rows)
	if t.Filled, err = sizes(ctx, path); err != nil {
		return t, err
	}
	if t.Load, err = f.load(ctx); err != nil {
		return t, err
	}

	start = time.Now()
	if t.Cleanup.Deleted, err = store.DeleteExpired(ctx); err != nil {
		return t, err
	}
	t.Cleanup.Seconds = time.Since(start).Seconds()

	if err := f.fill(ctx, int(t.Cleanup.Deleted), func(int) time.Time { return now.Add(margin + rand.N(life)) }); err != nil {
		return t, err
	}
	open = false
	if err := store.Close(); err != nil { // which moves the write-ahead log into the file
		return t, err
	}
	t.Refilled, err = sizes(ctx, path)
	return t, err
}

// writers is how many goroutines save sessions at the same time.
const writers = 16

// fill saves n new sessions.
func (f *filler) fill(ctx context.Context, n int, expires func(i int) time.Time) error {
	var wg sync.WaitGroup
	errs := make([]error, writers)
	now := time.Now()
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				rec := &session.Record{Data: f.data, Expires: expires(i)}
				token, err := f.store.Save(ctx, "", rec)
				if err != nil {
					errs[w] = err
					return
				}
				if rec.Expires.After(now) && i < maxTokens {
					f.mu.Lock()
					f.tokens = append(f.tokens, token)
					f.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// maxTokens is how many of the first sessions' tokens are kept, and loads how
// often one of them is loaded.
const (
	maxTokens = 200_000
	loads     = 5000
)

// load returns how long it takes to load a session.
func (f *filler) load(ctx context.Context) (float64, error) {
	start := time.Now()
	for range loads {
		if _, err := f.store.Load(ctx, f.tokens[rand.N(len(f.tokens))]); err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds() / loads, nil
}

// sizes asks SQLite for the bytes of everything in a database
// (https://www.sqlite.org/dbstat.html).
func sizes(ctx context.Context, path string) (s Sizes, err error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(1000)")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	rows, err := db.QueryContext(ctx, "SELECT name, SUM(pgsize) FROM dbstat GROUP BY name")
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var bytes int64
		if err := rows.Scan(&name, &bytes); err != nil {
			return s, err
		}
		switch {
		case name == "django_session":
			s.Table = bytes
		case name == "sqlite_autoindex_django_session_1":
			s.KeyIndex = bytes
		case len(name) > len("django_session") && name[:len("django_session")] == "django_session":
			s.ExpiryIndex = bytes
		}
	}
	if err := rows.Err(); err != nil {
		return s, err
	}
	err = db.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&s.File)
	return s, err
}

// measurePages counts the bytes of a visitor's pages, and takes off those of a
// visitor without a session.
func measurePages(ctx context.Context, cfg Config) ([]Page, error) {
	if len(cfg.Engines) == 0 {
		return nil, nil
	}
	trace := wire.DefaultTrace()
	counted, err := wire.Measure(ctx, cfg.Engines, []bench.Session{cfg.Session}, trace)
	if err != nil {
		return nil, err
	}
	var pages []Page
	for _, e := range cfg.Engines {
		for _, protocol := range []string{wire.HTTP1, wire.HTTP2} {
			cell := counted.Cell(e.Name, cfg.Session.Name, protocol)
			if cell == nil || cell.TooLarge != "" {
				continue
			}
			more := cell.Page.Minus(counted.Floor(cell).Page)
			pages = append(pages, Page{e.Name, protocol, trace.PageRequests(), more.Up, more.Down})
		}
	}
	return pages, nil
}
