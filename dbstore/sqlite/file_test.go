package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func newRecord(data string) *session.Record {
	return &session.Record{Data: []byte(data), Expires: time.Now().UTC().Truncate(time.Second).Add(time.Hour)}
}

func mustSave(t testing.TB, store *dbstore.Store, token string, rec *session.Record) string {
	t.Helper()
	token, err := store.Save(context.Background(), token, rec)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return token
}

// checkIntegrity lets SQLite check a database.
func checkIntegrity(t testing.TB, path string) {
	t.Helper()
	var result string
	if err := openDB(t, path).QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity check: %s, %v", result, err)
	}
}

func TestOpen(t *testing.T) {
	t.Run("a name with characters that mean something in a URL", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a b?c#d%41&_pragma=x.db")
		store := open(t, path, sqlite.Options{})
		mustSave(t, store, "", newRecord(`{}`))
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	})
	t.Run("a name with two slashes in front", func(t *testing.T) {
		path := "/" + filepath.Join(t.TempDir(), "sessions.db")
		mustSave(t, open(t, path, sqlite.Options{}), "", newRecord(`{}`))
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	})
	t.Run("a relative name", func(t *testing.T) {
		t.Chdir(t.TempDir())
		open(t, "sessions.db", sqlite.Options{})
		if _, err := os.Stat("sessions.db"); err != nil {
			t.Error(err)
		}
	})
	t.Run("only the owner can read a new file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		store := open(t, path, sqlite.Options{})
		mustSave(t, store, "", newRecord(`{}`))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if mode := info.Mode().Perm(); mode != 0o600 {
				t.Errorf("sessions.db%s has the mode %v, want 0600", suffix, mode)
			}
		}
	})
	t.Run("so is one that a symbolic link names", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "link")
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o755), os.Symlink("data/next", path),
			os.Symlink("real.db", filepath.Join(dir, "data", "next"))); err != nil {
			t.Skip(err)
		}
		store := open(t, path, sqlite.Options{})
		mustSave(t, store, "", newRecord(`{}`))
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(filepath.Join(dir, "data", "real.db"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			if mode := info.Mode().Perm(); mode != 0o600 {
				t.Errorf("real.db%s has the mode %v, want 0600", suffix, mode)
			}
		}
	})
	t.Run("a symbolic link to itself", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(path, path); err != nil {
			t.Skip(err)
		}
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a relative name stays where it was", func(t *testing.T) {
		dir := t.TempDir()
		t.Chdir(dir)
		store := open(t, "sessions.db", sqlite.Options{})
		t.Chdir(t.TempDir())
		token := mustSave(t, store, "", newRecord(`{}`))
		var wg sync.WaitGroup
		for range 8 { // more connections than are open
			wg.Go(func() {
				if _, err := store.Load(context.Background(), token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("the permissions of an existing file are left alone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		if err := os.WriteFile(path, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		open(t, path, sqlite.Options{})
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("the mode is %v, %v; want 0640", info.Mode(), err)
		}
	})
	for _, tc := range []struct {
		name, path string
		opts       sqlite.Options
	}{
		{"no name", "", sqlite.Options{}},
		{"a folder that is not there", filepath.Join(t.TempDir(), "none", "sessions.db"), sqlite.Options{}},
		{"a folder", t.TempDir(), sqlite.Options{}},
		{"a negative number of readers", ":memory:", sqlite.Options{Readers: -1}},
		{"readers of the application's", ":memory:",
			sqlite.Options{Options: dbstore.Options{Reader: openDB(t, ":memory:")}}},
		{"a table's name that is none", ":memory:", sqlite.Options{Options: dbstore.Options{Table: "a b"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := sqlite.Open(t.Context(), tc.path, tc.opts); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("a file that is no database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		text := strings.Repeat("this is no database. ", 100)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil {
			t.Error("no error")
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != text {
			t.Errorf("the file was changed: %v", err)
		}
	})
}

// An error names the file, and says what to do.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{dir, "it is a folder"},
		{filepath.Join(dir, "missing", "a.db"), "the folder " + filepath.Join(dir, "missing") +
			" does not exist; create it"},
		{text, "the file holds something else"},
		{filepath.Join(text, "a.db"), "not a directory"},
		{"/proc/a.db", "/proc"},
		{"sqlite:" + filepath.Join(dir, "a.db"), "without the scheme"},
		{"file:a.db?mode=ro", "without the scheme"},
	} {
		_, err := sqlite.Open(t.Context(), tc.path, sqlite.Options{})
		if err == nil || !strings.Contains(err.Error(), tc.want) ||
			!strings.HasPrefix(err.Error(), "sqlite: open "+tc.path+": ") {
			t.Errorf("got %v, want an error that begins with the name %s, and has %q in it", err, tc.path, tc.want)
		}
	}
}

// loadFails waits until loading a session fails.
func loadFails(t *testing.T, store *dbstore.Store, token string) error {
	for range 1000 {
		if _, err := store.Load(t.Context(), token); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("Load does not fail")
	return nil
}

// What is saved into a file that is not there any more is lost with the program.
func TestFileReplaced(t *testing.T) {
	remove := func(t *testing.T, path string) {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, path string)
	}{
		{"removed", remove},
		{"replaced", func(t *testing.T, path string) {
			remove(t, path)
			open(t, path, sqlite.Options{})
		}},
		{"its folder renamed", func(t *testing.T, path string) {
			if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+"2"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "sessions.db")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			store := open(t, path, sqlite.Options{})
			rec := newRecord(`{}`)
			token := mustSave(t, store, "", rec)
			if _, err := store.Load(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			tc.do(t, path)
			_, err := store.Save(t.Context(), "", newRecord(`{}`))
			if err == nil || errors.Is(err, session.ErrNotFound) ||
				!strings.Contains(err.Error(), path+": the file was removed or replaced") {
				t.Errorf("Save: %v", err)
			}
			if err := loadFails(t, store, token); errors.Is(err, session.ErrNotFound) {
				t.Errorf("Load: %v", err)
			}
		})
	}
	t.Run("and put back", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		store := open(t, path, sqlite.Options{})
		token := mustSave(t, store, "", newRecord(`{}`))
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
		loadFails(t, store, token)
		if err := os.Rename(path+".old", path); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(t.Context(), token); err != nil {
			t.Errorf("Load once it is back: %v", err)
		}
		mustSave(t, store, "", newRecord(`{}`))
	})
	t.Run("the new file's log is left alone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		old := open(t, path, sqlite.Options{})
		mustSave(t, old, "", newRecord(`{}`))
		remove(t, path)
		store := open(t, path, sqlite.Options{})
		token := mustSave(t, store, "", newRecord(`{}`))
		old.Close()
		if _, err := os.Stat(path + "-wal"); err != nil {
			t.Errorf("closing the old database removed the new one's log: %v", err)
		}
		checkIntegrity(t, path)
		if _, err := store.Load(t.Context(), token); err != nil {
			t.Errorf("Load: %v", err)
		}
	})
}

// Another program holds the lock for writing.
func TestLockedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	store := open(t, path, sqlite.Options{})
	rec := newRecord(`{"n":1}`)
	token := mustSave(t, store, "", rec)
	other, err := openDB(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	rec.Data = []byte(`{"n":2}`)
	if _, err := store.Save(ctx, token, rec); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Save while it is locked: %v, want %v", err, context.DeadlineExceeded)
	}
	if got, err := store.Load(t.Context(), token); err != nil || string(got.Data) != `{"n":1}` {
		t.Errorf("Load while it is locked: %v", err)
	}

	// Longer than SQLite itself waits.
	time.AfterFunc(400*time.Millisecond, func() { other.ExecContext(context.Background(), "COMMIT") })
	if _, err := store.Save(t.Context(), token, rec); err != nil {
		t.Errorf("Save until it is unlocked: %v", err)
	}
	if got, err := store.Load(t.Context(), token); err != nil || string(got.Data) != `{"n":2}` {
		t.Errorf("Load: %v", err)
	}
}

// A pool for others has the file and the settings that a store has.
func TestOpenDB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c.db")
	db, err := sqlite.OpenDB(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	for _, node := range []int{0, 1} { // two connections, which read and write
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var mode string
		var timeout int
		if err := errors.Join(conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode),
			conn.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&timeout)); err != nil {
			t.Fatal(err)
		}
		if mode != "wal" || timeout != 100 {
			t.Errorf("journal_mode %s, busy_timeout %d", mode, timeout)
		}
		if _, err := conn.ExecContext(t.Context(), fmt.Sprint("CREATE TABLE t", node, " (n)")); err != nil {
			t.Error(err)
		}
	}
	store := open(t, path, sqlite.Options{}) // and a store beside it
	mustSave(t, store, "", newRecord(`{}`))

	memory, err := sqlite.OpenDB(t.Context(), ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	if _, err := memory.Exec("CREATE TABLE t (n)"); err != nil {
		t.Error(err)
	}
	if _, err := memory.Exec("INSERT INTO t VALUES (1)"); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"":             "the path is empty",
		"sqlite:x.db":  "that is a URL; give the path",
		"missing/x.db": "the folder missing does not exist; create it",
		t.TempDir():    "it is a folder, and has to be a file",
	} {
		if _, err := sqlite.OpenDB(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestProcesses(t *testing.T) { storetest.RunProcesses(t, backend) }

// killVariable tells TestKilledProcess that it is the process to be killed.
const killVariable = "SQLITE_TEST_KILL"

// A process that saves from 16 goroutines is killed. What it had acknowledged,
// by a line on its standard output, is there.
func TestKilledProcess(t *testing.T) {
	const writers = 16
	if path := os.Getenv(killVariable); path != "" {
		store := open(t, path, sqlite.Options{})
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				rec := newRecord("0")
				token := mustSave(t, store, "", rec)
				for n := 1; ; n++ {
					rec.Data = strconv.AppendInt(nil, int64(n), 10)
					mustSave(t, store, token, rec)
					fmt.Fprintf(os.Stdout, "acknowledged %s %d\n", token, n)
				}
			})
		}
		wg.Wait()
	}

	path := filepath.Join(t.TempDir(), "sessions.db")
	acknowledged := make(map[string]int)
	for range 3 {
		executable, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(executable, "-test.run=^TestKilledProcess$")
		cmd.Env = append(os.Environ(), killVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		saves := 1000
		if testing.Short() {
			saves = 200
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var token string
			var value int
			if _, err := fmt.Sscanf(lines.Text(), "acknowledged %s %d", &token, &value); err == nil {
				acknowledged[token] = max(acknowledged[token], value)
			}
			if n == saves {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		checkIntegrity(t, path)
		store := open(t, path, sqlite.Options{})
		for token, want := range acknowledged {
			rec, err := store.Load(t.Context(), token)
			if err != nil {
				t.Fatalf("Load: %v", err)
			}
			got, _ := strconv.Atoi(string(rec.Data))
			if got != want && got != want+1 {
				t.Errorf("a session holds %d, and %d was acknowledged", got, want)
			}
		}
	}
	if len(acknowledged) != 3*writers {
		t.Errorf("%d sessions were saved, want %d", len(acknowledged), 3*writers)
	}
}
