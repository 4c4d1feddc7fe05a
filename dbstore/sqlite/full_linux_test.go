package sqlite_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a small file system cannot be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "sessions.db")
	store := open(t, path, sqlite.Options{})

	// Something else takes what is left of the disk.
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	data := strings.Repeat("x", 8000)
	saved := make(map[string]string)
	for i := range 10 {
		saved[mustSave(t, store, "", newRecord(data[:7000+i]))] = data[:7000+i]
	}
	if _, err := io.Copy(filler, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}

	failures := 0
	for i := range 300 {
		token, err := store.Save(t.Context(), "", newRecord(data[:i]))
		if err == nil {
			saved[token] = data[:i]
			continue
		}
		failures++
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrGone) ||
			errors.Is(err, session.ErrConflict) {
			t.Fatalf("Save on a full disk: %v", err)
		}
	}
	if failures == 0 {
		t.Fatal("the disk was not full")
	}
	check := func(when string) {
		t.Helper()
		for token, want := range saved {
			rec, err := store.Load(t.Context(), token)
			if err != nil || string(rec.Data) != want {
				t.Fatalf("%s: an acknowledged session is not there: %v", when, err)
			}
		}
	}
	check("while the disk is full")

	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		saved[mustSave(t, store, "", newRecord(data[:i]))] = data[:i]
	}
	check("when there is room again")
	checkIntegrity(t, path)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
