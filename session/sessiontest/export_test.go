package sessiontest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"sessionengine/session"
)

// CaseNames returns the names of all cases.
func CaseNames() []string {
	var names []string
	for _, tc := range cases() {
		names = append(names, tc.name)
	}
	return names
}

// CaseReports runs a case without failing t, and returns what it reported.
func CaseReports(t *testing.T, name string, newStore func(t *testing.T) session.SessionStore, f Features) []string {
	t.Helper()
	rec := &recorder{}
	found := false
	for _, tc := range cases() {
		if tc.name != name {
			continue
		}
		found = true
		tc.inTime(t, f, func(t *testing.T) {
			rec.run(func() { tc.run(newCheck(rec, t, newStore(t), f)) })
		})
	}
	if !found {
		t.Fatalf("there is no case %q", name)
	}
	return rec.reports
}

// RandomReports is RunRandom that returns its reports instead of failing t.
func RandomReports(t *testing.T, seed uint64, ops int, subjects ...Subject) []string {
	t.Helper()
	rec := &recorder{}
	runRandom(t, func(*testing.T) testing.TB { return rec }, seed, ops, subjects)
	return rec.reports
}

// A recorder is a testing.TB that keeps failures to itself. It has no more of
// one than the suite uses.
type recorder struct {
	testing.TB // nil
	mu         sync.Mutex
	failed     bool
	reports    []string
}

// run calls f in a goroutine that FailNow can end, and waits for it.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) report(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	r.reports = append(r.reports, text)
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Helper()                           {}
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Errorf(format string, args ...any) { r.report(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatalf(format string, args ...any) {
	r.report(fmt.Sprintf(format, args...))
	runtime.Goexit()
}
