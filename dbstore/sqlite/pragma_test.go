package sqlite

import (
	"path/filepath"
	"testing"
)

// A pragma that is misspelt does nothing, and says nothing.
func TestPragmas(t *testing.T) {
	for _, tc := range []struct {
		opts Options
		sync int
	}{
		{Options{}, 1},
		{Options{SyncFull: true}, 2},
	} {
		db, reader, err := open(filepath.Join(t.TempDir(), "sessions.db"), tc.opts)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		defer reader.Close()
		var mode string
		var sync, busy, limit int
		for pragma, v := range map[string]any{"journal_mode": &mode, "synchronous": &sync, "busy_timeout": &busy,
			"journal_size_limit": &limit} {
			if err := db.QueryRow("PRAGMA " + pragma).Scan(v); err != nil {
				t.Fatal(err)
			}
		}
		if mode != "wal" || sync != tc.sync || busy != 100 || limit != 64<<20 {
			t.Errorf("SyncFull %v: journal_mode %s, synchronous %d, busy_timeout %d, journal_size_limit %d",
				tc.opts.SyncFull, mode, sync, busy, limit)
		}
	}
}
