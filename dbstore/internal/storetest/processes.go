package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// childVariable tells a test that it is one of the processes of TestProcesses,
// and what to do: the place, the table and the token, separated by spaces.
const childVariable = "STORETEST_CHILD"

// Increments is how many times each process and each goroutine adds one.
const Increments = 50

// Increment adds one to the number that a session holds, [Increments] times,
// beside others who do the same.
func Increment(ctx context.Context, store *dbstore.Store, token string) error {
	for range Increments {
		for {
			rec, err := store.Load(ctx, token)
			if err != nil {
				return fmt.Errorf("load: %w", err)
			}
			n, err := strconv.Atoi(string(rec.Data))
			if err != nil {
				return err
			}
			rec.Data = strconv.AppendInt(nil, int64(n+1), 10)
			if _, err = store.Save(ctx, token, rec); err == nil {
				break
			}
			if !errors.Is(err, session.ErrConflict) {
				return fmt.Errorf("save: %w", err)
			}
		}
	}
	return nil
}

// RunProcesses lets several processes write one session. It runs the test that
// calls it in each of them.
func RunProcesses(t *testing.T, b Backend) {
	if child := os.Getenv(childVariable); child != "" {
		fields := strings.Fields(child)
		store := b.Open(t, fields[0], dbstore.Options{Table: fields[1]})
		if err := Increment(t.Context(), store, fields[2]); err != nil {
			t.Fatal(err)
		}
		return
	}
	const processes = 4
	place, opts := b.Place(t), dbstore.Options{Table: newTable()}
	store := b.storeAt(t, place, opts)
	token := create(t, store, record("0"))
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			cmd := exec.Command(executable, "-test.run=^"+t.Name()+"$", "-test.count=1")
			cmd.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{place, opts.Table, token}, " "))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("a process: %v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if got := string(load(t, store, token).Data); got != strconv.Itoa(processes*Increments) {
		t.Errorf("%d processes added %d each, and there is %s", processes, Increments, got)
	}
}
