package revocation_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/combined"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// saveFunc is Save or Renew of a store.
type saveFunc = func(ctx context.Context, token string, rec *session.Record) (string, error)

func inAnHour() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Hour) }

// begin begins a session.
func begin(t testing.TB, store session.SessionStore, owner string, expires time.Time) (
	token string, rec *session.Record) {
	t.Helper()
	rec = &session.Record{Data: []byte(`{"a":1}`), Expires: expires, Owner: owner}
	token, err := store.Save(t.Context(), "", rec)
	if err != nil {
		t.Fatalf("Save of a new session: %v", err)
	}
	return token, rec
}

func wantAlive(t testing.TB, when string, store session.SessionStore, token string) {
	t.Helper()
	if _, err := store.Load(t.Context(), token); err != nil {
		t.Errorf("%s: Load: %v", when, err)
	}
}

func wantEnded(t testing.TB, when string, store session.SessionStore, token string) {
	t.Helper()
	if _, err := store.Load(t.Context(), token); !errors.Is(err, revocation.ErrEnded) ||
		!errors.Is(err, session.ErrNotFound) {
		t.Errorf("%s: Load gave %v, want %v", when, err, revocation.ErrEnded)
	}
}

// rounds is how often a race is run.
const rounds = 20

// race calls f(0) to f(n-1) at once.
func race(n int, f func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wait.Wait()
}

// onEveryList runs a test with a store, and another node's.
func onEveryList(t *testing.T, test func(t *testing.T, one, two *revocation.Store)) {
	t.Run("memory", func(t *testing.T) {
		list := revocation.NewMemoryList()
		test(t, wrap(t, cookies(t), list, revocation.Options{}), wrap(t, cookies(t), list, revocation.Options{}))
	})
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) {
		test(t, wrap(t, cookies(t), open(), revocation.Options{}), wrap(t, cookies(t), open(), revocation.Options{}))
	})
}

func TestOfManyWhoRenewOneSessionOneWins(t *testing.T) {
	onEveryList(t, func(t *testing.T, one, two *revocation.Store) {
		nodes := []*revocation.Store{one, two}
		for range rounds {
			token, rec := begin(t, one, "alice", inAnHour())
			const n = 8
			var tokens [n]string
			race(n, func(i int) {
				mine := *rec
				var err error
				tokens[i], err = nodes[i%2].Renew(t.Context(), token, &mine)
				if err != nil && !errors.Is(err, session.ErrGone) {
					t.Errorf("Renew: %v", err)
				}
			})
			winners := 0
			for _, renewed := range tokens {
				if renewed != "" {
					winners++
					wantAlive(t, "the winner's", two, renewed)
				}
			}
			if winners != 1 {
				t.Fatalf("%d won, want 1", winners)
			}
			wantEnded(t, "the old one", one, token)
		}
	})
}

func TestWhoSavesBesideARenewalDoesNotUndoIt(t *testing.T) {
	onEveryList(t, func(t *testing.T, one, two *revocation.Store) {
		for range rounds {
			token, rec := begin(t, one, "alice", inAnHour())
			var saved, renewed string
			race(2, func(i int) {
				mine := *rec
				var err error
				if i == 0 {
					saved, err = one.Save(t.Context(), token, &mine)
					if errors.Is(err, session.ErrGone) {
						return
					}
				} else {
					renewed, err = two.Renew(t.Context(), token, &mine)
				}
				if err != nil {
					t.Errorf("beside the other: %v", err)
				}
			})
			wantAlive(t, "the renewed session", one, renewed)
			wantEnded(t, "the old one", two, token)
			if saved != "" {
				wantEnded(t, "what was saved before it was renewed", two, saved)
			}
		}
	})
}

// Either the logout comes first and nothing is left, or it finds the session
// renewed, and only the old cookie is dead.
func TestALogoutBesideARenewal(t *testing.T) {
	onEveryList(t, func(t *testing.T, one, two *revocation.Store) {
		for range rounds {
			token, rec := begin(t, one, "alice", inAnHour())
			var renewed string
			race(2, func(i int) {
				if i == 0 {
					if err := one.Delete(t.Context(), token); err != nil {
						t.Errorf("Delete: %v", err)
					}
					return
				}
				mine := *rec
				var err error
				if renewed, err = two.Renew(t.Context(), token, &mine); err != nil && !errors.Is(err, session.ErrGone) {
					t.Errorf("Renew: %v", err)
				}
			})
			wantEnded(t, "the old one", two, token)
			if renewed != "" {
				wantAlive(t, "the renewed one", one, renewed)
			}
		}
	})
}

// What EndSessions has not ended has begun after it.
func TestSessionsEndedWhileTheyBegin(t *testing.T) {
	onEveryList(t, func(t *testing.T, one, two *revocation.Store) {
		var mu sync.Mutex
		var before []string
		done := make(chan struct{})
		var logins sync.WaitGroup
		for range 4 {
			logins.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					rec := &session.Record{Data: []byte(`{}`), Expires: inAnHour(), Owner: "alice"}
					token, err := two.Save(context.Background(), "", rec)
					if err != nil {
						t.Errorf("Save: %v", err)
						return
					}
					mu.Lock()
					before = append(before, token)
					mu.Unlock()
				}
			})
		}
		for range 5 {
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			n := len(before)
			mu.Unlock()
			if err := endAll(t.Context(), one, "alice"); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			for _, token := range before[max(0, n-20):n] {
				wantEnded(t, "a session from before", two, token)
			}
			mu.Unlock()
			token, _ := begin(t, one, "alice", inAnHour())
			wantAlive(t, "a session from after", two, token)
		}
		close(done)
		logins.Wait()
	})
}

func TestOwnersAreToldApart(t *testing.T) {
	names := []string{"alice", "Alice", "alice ", "\u00e0lice", "al", "alice.", `al"ice\`, "<b>\u2028\n", "a\xffb", "o",
		"s", strings.Repeat("x", 500)}
	onEveryList(t, func(t *testing.T, one, two *revocation.Store) {
		for _, ended := range names {
			var tokens []string
			for _, name := range names {
				token, _ := begin(t, one, name, inAnHour())
				tokens = append(tokens, token)
			}
			if err := endAll(t.Context(), two, ended); err != nil {
				t.Fatal(err)
			}
			for i, name := range names {
				when := fmt.Sprintf("%.20q, when those of %.20q were ended", name, ended)
				if name == ended {
					wantEnded(t, when, one, tokens[i])
				} else {
					wantAlive(t, when, one, tokens[i])
				}
			}
		}
	})
}

func TestASessionBelongsToItsPresentOwner(t *testing.T) {
	ctx := t.Context()
	store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
	for _, owner := range []string{"alice", "bob"} {
		if err := endAll(ctx, store, owner); err != nil {
			t.Fatal(err)
		}
	}
	for name, write := range map[string]saveFunc{"Save": store.Save, "Renew": store.Renew} {
		token, rec := begin(t, store, "", inAnHour())
		for _, owner := range []string{"alice", "bob", "carol", "", "alice"} {
			rec.Owner = owner
			var err error
			if token, err = write(ctx, token, rec); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, other := range []string{"alice", "bob", "carol"} {
				if other == owner {
					continue
				}
				if err := endAll(ctx, store, other); err != nil {
					t.Fatal(err)
				}
			}
			wantAlive(t, name+", when those of others were ended", store, token)
		}
		if err := endAll(ctx, store, "alice"); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, name+", when those of its owner were ended", store, token)
	}
	if err := endAll(ctx, store, ""); err == nil {
		t.Error("EndSessions without an owner: no error")
	}
}

// Neither the granularity of clocks nor their differences matter: in the bubble
// no time goes by, and another node's clock is ahead.
func TestClocksDoNotMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		list := revocation.NewMemoryList()
		store := wrap(t, cookies(t), list, revocation.Options{})
		ahead := time.Now().Add(10 * time.Minute).UnixMilli()
		for range 3 {
			token, _ := begin(t, store, "alice", inAnHour())
			wantAlive(t, "a login after those of all nodes", store, token)
			renewed, err := store.EndOtherSessions(ctx, "alice", token)
			if err != nil {
				t.Fatal(err)
			}
			wantEnded(t, "the caller's old token", store, token)
			wantAlive(t, "the caller's own", store, renewed)
			if err := endAll(ctx, store, "alice"); err != nil {
				t.Fatal(err)
			}
			wantEnded(t, "all", store, renewed)
			if _, err := list.EndOwner(ctx, "alice", ahead, inAnHour()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOnlyTheCallersOwnSessionGoesOn(t *testing.T) {
	ctx := t.Context()
	store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
	other, otherRec := begin(t, store, "alice", inAnHour())
	stale, _ := begin(t, store, "alice", inAnHour())
	if err := endAll(ctx, store, "alice"); err != nil {
		t.Fatal(err)
	}
	mine, mineRec := begin(t, store, "alice", inAnHour())
	peer, peerRec := begin(t, store, "alice", inAnHour())
	kept, err := store.EndOtherSessions(ctx, "alice", mine)
	if err != nil {
		t.Fatal(err)
	}
	for token, rec := range map[string]*session.Record{other: otherRec, peer: peerRec, mine: mineRec} {
		if _, err := store.Renew(ctx, token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Renew of another session: %v", err)
		}
		if _, err := store.Save(ctx, token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Save of another session: %v", err)
		}
	}
	wantAlive(t, "the caller's own", store, kept)

	// A session that has ended cannot keep itself.
	if _, err := store.EndOtherSessions(ctx, "alice", stale); !errors.Is(err, session.ErrGone) {
		t.Errorf("by a session that has ended: %v", err)
	}
	wantEnded(t, "the one that was kept before", store, kept)
}

// Someone with a copy of the cookie that is kept gains nothing by renewing it
// between any two steps.
func TestACopyOfTheKeptCookieEnds(t *testing.T) {
	for step := range 5 {
		ctx := t.Context()
		list := &stepped{List: revocation.NewMemoryList()}
		store := wrap(t, cookies(t), list, revocation.Options{})
		thief := wrap(t, cookies(t), list.List, revocation.Options{})
		token, rec := begin(t, store, "alice", inAnHour())
		var stolen string
		list.left, list.meanwhile = step, func() { stolen, _ = thief.Renew(ctx, token, rec) }
		kept, err := store.EndOtherSessions(ctx, "alice", token)
		if err != nil && !errors.Is(err, session.ErrGone) {
			t.Fatal(err)
		}
		if stolen != "" {
			wantEnded(t, "the copy that was renewed", thief, stolen)
		}
		wantEnded(t, "the copy", thief, token)
		if err == nil {
			wantAlive(t, "the session that is kept", thief, kept)
		} else if stolen == "" {
			t.Errorf("before call %d: %v, though nobody renewed the session", step, err)
		}
	}
}

// Nor does a session outlive its owner's, which a node ends whose clock is behind,
// by ending the others between any two steps.
func TestASessionThatEndsOthersEndsWithAllOfItsOwner(t *testing.T) {
	for _, behind := range []time.Duration{0, time.Second, time.Hour} {
		for step := range 5 {
			ctx := t.Context()
			list := &stepped{List: revocation.NewMemoryList()}
			thief := wrap(t, cookies(t), list, revocation.Options{})
			token, _ := begin(t, thief, "alice", inAnHour())
			ended := false
			list.left, list.meanwhile = step, func() {
				ended = true
				if _, err := list.List.EndOwner(ctx, "alice", time.Now().Add(-behind).UnixMilli(),
					inAnHour()); err != nil {
					t.Error(err)
				}
			}
			kept, err := thief.EndOtherSessions(ctx, "alice", token)
			if err != nil && !errors.Is(err, session.ErrGone) {
				t.Fatal(err)
			}
			if err == nil && ended {
				wantEnded(t, fmt.Sprintf("%v behind, before call %d: what the thief kept", behind, step), thief, kept)
			}
			wantEnded(t, "the thief's token", thief, token)
		}
	}
}

// The mark of the session that is kept is longer than before.
func TestNothingIsEndedIfTheKeptSessionDoesNotFit(t *testing.T) {
	ctx := t.Context()
	store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
	mine, rec := begin(t, store, "alice", inAnHour())
	other, _ := begin(t, store, "alice", inAnHour())
	var filler strings.Builder
	for {
		larger := *rec
		filler.WriteString(rand.Text()[:4])
		larger.Data = []byte(`{"_session_owner":"alice","filler":"` + filler.String() + `"}`)
		token, err := store.Save(ctx, mine, &larger)
		if tooLarge := (*session.TooLargeError)(nil); errors.As(err, &tooLarge) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		mine = token
	}
	var tooLarge *session.TooLargeError
	if _, err := store.EndOtherSessions(ctx, "alice", mine); !errors.As(err, &tooLarge) {
		t.Fatalf("%v, want a session that is too large", err)
	}
	wantAlive(t, "the session itself", store, mine)
	wantAlive(t, "the other one", store, other)
}

// stepped is a list that lets something happen before one of its calls.
type stepped struct {
	revocation.List
	left      int // calls until then
	meanwhile func()
}

func (l *stepped) step() {
	if l.left--; l.left == -1 && l.meanwhile != nil {
		l.meanwhile()
	}
}

func (l *stepped) Lookup(ctx context.Context, id, owner string) (revocation.Entry, error) {
	l.step()
	return l.List.Lookup(ctx, id, owner)
}

func (l *stepped) End(ctx context.Context, id string, until time.Time) (bool, error) {
	l.step()
	return l.List.End(ctx, id, until)
}

func (l *stepped) EndOwner(ctx context.Context, owner string, generation int64, until time.Time) (int64, error) {
	l.step()
	return l.List.EndOwner(ctx, owner, generation, until)
}

func TestListIsAskedOncePerCall(t *testing.T) {
	ctx := t.Context()
	list := &switchable{List: revocation.NewMemoryList()}
	store := wrap(t, cookies(t), list, revocation.Options{})
	var token string
	var rec *session.Record
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, step := range []struct {
		name string
		want int64
		do   func()
	}{
		{"a new session without an owner", 0, func() { token, rec = begin(t, store, "", inAnHour()) }},
		{"a new session with an owner", 1, func() { token, rec = begin(t, store, "alice", inAnHour()) }},
		{"a token that is none", 0, func() { store.Load(ctx, "none") }},
		{"a load", 1, func() { wantAlive(t, "", store, token) }},
		{"a save", 1, func() { _, err := store.Save(ctx, token, rec); must(err) }},
		{"a renewal", 1, func() { var err error; token, err = store.Renew(ctx, token, rec); must(err) }},
		{"a logout", 0, func() { must(store.Delete(ctx, token)) }},
	} {
		list.asked.Store(0)
		step.do()
		if got := list.asked.Load(); got != step.want {
			t.Errorf("%s: %d lookups, want %d", step.name, got, step.want)
		}
	}
}

func TestMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		shared := revocation.NewMemoryList()
		list := &switchable{List: shared}
		const maxStale = 10 * time.Second
		own := wrap(t, cookies(t), list, revocation.Options{MaxStale: maxStale})
		bound, err := own.ForCookie("sessionid") // as the middleware has it
		if err != nil {
			t.Fatal(err)
		}
		other := wrap(t, cookies(t), shared, revocation.Options{})

		token, rec := begin(t, own, "alice", inAnHour())
		list.asked.Store(0)
		for range 10 {
			wantAlive(t, "again and again", bound, token)
			time.Sleep(maxStale / 10)
		}
		wantAlive(t, "when the answer is stale", bound, token)
		if got := list.asked.Load(); got != 2 {
			t.Errorf("%d lookups, want 2", got)
		}
		if err := other.Delete(ctx, token); err != nil {
			t.Fatal(err)
		}
		for name, write := range map[string]saveFunc{"Save": bound.Save, "Renew": bound.Renew} {
			if _, err := write(ctx, token, rec); !errors.Is(err, session.ErrGone) {
				t.Errorf("%s asks: %v", name, err)
			}
		}
		time.Sleep(maxStale - time.Nanosecond)
		wantAlive(t, "ended by another node, as documented", bound, token)
		time.Sleep(time.Nanosecond)
		wantEnded(t, "when the answer is stale", bound, token)

		// What this process ends it knows of, also by another store of it.
		token, _ = begin(t, own, "alice", inAnHour())
		second, secondRec := begin(t, own, "alice", inAnHour())
		third, _ := begin(t, own, "alice", inAnHour())
		for _, token := range []string{token, second, third} {
			wantAlive(t, "at first", bound, token)
		}
		if err := own.Delete(ctx, token); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, "ended by this process", bound, token)
		if _, err := own.Renew(ctx, second, secondRec); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, "renewed by this process", bound, second)
		if err := endAll(ctx, own, "alice"); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, "ended with those of its owner by this process", bound, third)

		// An answer is about one owner, and not about the session's next one.
		ofAlice, rec := begin(t, own, "alice", inAnHour())
		rec.Owner = "bob"
		ofBob, err := own.Save(ctx, ofAlice, rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := endAll(ctx, other, "alice"); err != nil {
			t.Fatal(err)
		}
		wantAlive(t, "bob's", bound, ofBob)
		wantEnded(t, "from when it was alice's", bound, ofAlice)
	})
}

// overtaken is a list whose answers are overtaken by what happens before they
// arrive.
type overtaken struct {
	revocation.List
	meanwhile func()
}

func (l *overtaken) Lookup(ctx context.Context, id, owner string) (revocation.Entry, error) {
	e, err := l.List.Lookup(ctx, id, owner)
	if f := l.meanwhile; f != nil {
		l.meanwhile = nil
		f()
	}
	return e, err
}

func TestAnAnswerThatIsOvertakenIsNotRemembered(t *testing.T) {
	ctx := t.Context()
	list := &overtaken{List: revocation.NewMemoryList()}
	store := wrap(t, cookies(t), list, revocation.Options{MaxStale: time.Hour})
	for name, end := range map[string]func(token string) error{
		"logout":     func(token string) error { return store.Delete(ctx, token) },
		"everywhere": func(string) error { return endAll(ctx, store, "alice") },
	} {
		token, _ := begin(t, store, "alice", inAnHour())
		list.meanwhile = func() {
			if err := end(token); err != nil {
				t.Error(err)
			}
		}
		store.Load(ctx, token) // may have been before
		wantEnded(t, name, store, token)
	}
}

func TestMemoryForMaxStaleIsBounded(t *testing.T) {
	store := wrap(t, sessiontest.NewMemory(), revocation.NewMemoryList(), revocation.Options{MaxStale: time.Hour})
	const most = revocation.MaxAnswers
	for range most + 1000 {
		token, _ := begin(t, store, "", inAnHour())
		wantAlive(t, "", store, token)
	}
	if n := store.Answers(); n > 32768 || n < most/2 {
		t.Errorf("remembers %d sessions, want up to %d", n, most)
	}
}

// A cookie that lives longer than the one that the visitor logged out with.
func TestAnEarlierLongerLifeEndsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{MaxAge: 24 * time.Hour})
		long, rec := begin(t, store, "alice", time.Now().UTC().Add(24*time.Hour))
		rec.Expires = time.Now().UTC().Add(time.Minute)
		short, err := store.Save(ctx, long, rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(ctx, short); err != nil {
			t.Fatal(err)
		}
		for range 23 {
			time.Sleep(time.Hour)
			if n, err := store.DeleteExpired(ctx); n != 0 || err != nil {
				t.Fatalf("DeleteExpired: %d, %v", n, err)
			}
			wantEnded(t, "the longer life", store, long)
		}
		time.Sleep(2 * time.Hour)
		if n, err := store.DeleteExpired(ctx); n != 1 || err != nil {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
		if _, err := store.Load(ctx, long); !errors.Is(err, session.ErrExpired) {
			t.Errorf("Load: %v", err)
		}
	})
}

// Nothing that was ended comes back when the list forgets it.
func TestWhatIsForgottenHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		const maxAge = time.Hour
		list := revocation.NewMemoryList()
		store := wrap(t, cookies(t), list, revocation.Options{MaxAge: maxAge})
		var tokens []string
		for range 3 {
			token, rec := begin(t, store, "alice", time.Now().UTC().Add(maxAge))
			renewed, err := store.Renew(ctx, token, rec)
			if err != nil {
				t.Fatal(err)
			}
			out, _ := begin(t, store, "bob", time.Now().UTC().Add(maxAge))
			if err := store.Delete(ctx, out); err != nil {
				t.Fatal(err)
			}
			if err := endAll(ctx, store, "alice"); err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token, renewed, out)
		}
		if n := list.Len(); n != 7 {
			t.Errorf("%d are on the list, want six sessions and alice", n)
		}
		for list.Len() > 0 {
			for _, token := range tokens {
				if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
					t.Fatalf("Load: %v", err)
				}
			}
			time.Sleep(10 * time.Minute)
			if _, err := store.DeleteExpired(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, token := range tokens {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("Load, after all was forgotten: %v", err)
			}
		}

		// The generations of an owner go on growing.
		token, _ := begin(t, store, "alice", time.Now().UTC().Add(maxAge))
		wantAlive(t, "a login after all was forgotten", store, token)
		if err := endAll(ctx, store, "alice"); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, "ended again", store, token)
	})
}

func TestTheMemoryListIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := revocation.NewMemoryList()
		const perHour, hours = 2000, 3
		for range 20 * hours {
			for i := range perHour {
				until := time.Now().Add(hours * time.Hour)
				if i%2 == 0 {
					if _, err := list.End(t.Context(), fmt.Sprint(time.Now(), i), until); err != nil {
						t.Fatal(err)
					}
				} else if _, err := list.EndOwner(t.Context(), fmt.Sprint(time.Now(), i), 1, until); err != nil {
					t.Fatal(err)
				}
			}
			if n := list.Len(); n > 3*perHour*hours {
				t.Fatalf("%d are on the list, and %d have to be", n, perHour*hours)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestASessionThatLivesTooLong(t *testing.T) {
	ctx := t.Context()
	for set, maxAge := range map[time.Duration]time.Duration{0: 400 * 24 * time.Hour, time.Hour: time.Hour} {
		store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{MaxAge: set})
		token, rec := begin(t, store, "alice", time.Now().UTC().Add(maxAge))
		rec.Expires = time.Now().UTC().Add(maxAge + time.Hour)
		for name, write := range map[string]saveFunc{"Save": store.Save, "Renew": store.Renew} {
			for _, token := range []string{token, ""} {
				if _, err := write(ctx, token, rec); err == nil || !strings.Contains(err.Error(), "MaxAge") ||
					session.ErrorStatus(err) != 500 {
					t.Errorf("MaxAge %v: %s: %v", maxAge, name, err)
				}
			}
		}
		wantAlive(t, "as it was", store, token)
	}
}

func TestAFailedRenewalEndsNothing(t *testing.T) {
	ctx := t.Context()
	broken := &endFails{List: revocation.NewMemoryList()}
	store := wrap(t, cookies(t), broken, revocation.Options{})
	token, rec := begin(t, store, "alice", inAnHour())

	large := *rec
	large.Data = fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("không nén được ", 10000))
	if _, err := store.Renew(ctx, token, &large); err == nil {
		t.Error("Renew of what does not fit: no error")
	}
	wantAlive(t, "after what does not fit", store, token)

	broken.err = errBroken
	if _, err := store.Renew(ctx, token, rec); !errors.Is(err, errBroken) {
		t.Errorf("Renew: %v", err)
	}
	wantAlive(t, "after the list failed", store, token)
	broken.err = nil
	renewed, err := store.Renew(ctx, token, rec)
	if err != nil {
		t.Fatalf("Renew: %v", err)
	}
	wantAlive(t, "renewed", store, renewed)
}

// endFails is a list that can be read and not written to.
type endFails struct {
	revocation.List
	err error
}

func (l *endFails) End(ctx context.Context, id string, until time.Time) (bool, error) {
	if l.err != nil {
		return false, l.err
	}
	return l.List.End(ctx, id, until)
}

func TestWhatCannotBeMarked(t *testing.T) {
	ctx := t.Context()
	list := revocation.NewMemoryList()
	store := wrap(t, cookies(t), list, revocation.Options{})
	for _, data := range []string{``, `[]`, `"confidential"`} {
		rec := &session.Record{Data: []byte(data), Expires: inAnHour()}
		if _, err := store.Save(ctx, "", rec); err == nil || strings.Contains(err.Error(), "confidential") {
			t.Errorf("Save of %q: %v", data, err)
		}
	}
	// A list that counts in something else than milliseconds.
	if _, err := list.EndOwner(ctx, "alice", 1<<50, inAnHour()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(ctx, "", &session.Record{Data: []byte(`{}`), Expires: inAnHour(),
		Owner: "alice"}); err == nil {
		t.Error("a generation out of range: no error")
	}
}

// Django keeps the mark in its place when it changes a session, and escapes what
// is not ASCII.
func TestASessionThatDjangoHasChanged(t *testing.T) {
	ctx := t.Context()
	engine := djangoCookies(t)
	store := wrap(t, engine, revocation.NewMemoryList(), revocation.Options{RefuseUnmarked: true})
	for name, end := range map[string]func(token string) error{
		"logout":     func(token string) error { return store.Delete(ctx, token) },
		"everywhere": func(string) error { return endAll(ctx, store, "Zo\u00eb") },
	} {
		ours, _ := begin(t, store, "Zo\u00eb", inAnHour())
		rec, err := engine.Load(ctx, ours)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`"a":1`, `"a":1,"b":2`, "\u00eb", `\u00eb`).Replace(string(rec.Data))
		rec.Data = []byte(text)
		changed, err := engine.Save(ctx, ours, rec)
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := store.Load(ctx, changed); err != nil || string(rec.Data) != `{"a":1,"b":2}` {
			t.Fatalf("%s: loaded %v, %v", name, rec, err)
		}
		if err := end(changed); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, name, store, ours)
		wantEnded(t, name, store, changed)
	}
}

// What the documentation says of the cookies.
func TestCookiesGrowALittle(t *testing.T) {
	for _, kind := range []string{"visitor", "login", "cart"} {
		lines, err := os.ReadFile("../bench/testdata/corpus/" + kind + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Sealed} {
			engine, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="),
				signedcookie.Options{Scheme: scheme})
			if err != nil {
				t.Fatal(err)
			}
			store := wrap(t, engine, revocation.NewMemoryList(), revocation.Options{})
			var growth, n int
			for data := range bytes.Lines(lines) {
				data = fmt.Appendf(nil, `%s,"_session_owner":"alice@example.org"}`,
					bytes.TrimSuffix(bytes.TrimSpace(data), []byte("}")))
				for sign, store := range map[int]session.SessionStore{-1: engine, +1: store} {
					token, err := store.Save(t.Context(), "",
						&session.Record{Data: data, Expires: inAnHour(), Owner: "alice@example.org"})
					if err != nil {
						t.Fatal(err)
					}
					growth += sign * len(token)
				}
				n++
			}
			if mean := growth / n; mean < 20 || mean > 40 {
				t.Errorf("%s, %v: grows by %d bytes, want 20 to 40", kind, scheme, mean)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	list := revocation.NewMemoryList()
	for name, opts := range map[string]revocation.Options{
		"a negative age":       {MaxAge: -1},
		"an age of nothing":    {MaxAge: time.Millisecond},
		"an age of centuries":  {MaxAge: 200 * 365 * 24 * time.Hour},
		"a negative staleness": {MaxStale: -1},
	} {
		if _, err := revocation.New(cookies(t), list, opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := revocation.New(nil, list, revocation.Options{}); err == nil {
		t.Error("no engine: no error")
	}
	if _, err := revocation.New(cookies(t), nil, revocation.Options{}); err == nil {
		t.Error("no list: no error")
	}
	store := wrap(t, cookies(t), list, revocation.Options{})
	if _, err := store.ForCookie("no name"); err == nil {
		t.Error("a name that the engine refuses: no error")
	}
	if text := fmt.Sprintf("%v %+v %s", store, store, store); strings.Contains(text, "0x") ||
		!strings.Contains(text, "signedcookie.Store") {
		t.Errorf("prints as %s", text)
	}
}

// mixed returns a store whose small sessions are in cookies and whose large ones
// are not, the two tokens that a session had before and after it grew, and the
// record of its present state.
func mixed(t *testing.T, opts revocation.Options) (store *revocation.Store, small, large string, rec *session.Record) {
	t.Helper()
	both, err := combined.NewOverflow(cookies(t), sessiontest.NewMemory(), combined.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store = wrap(t, both, revocation.NewMemoryList(), opts)
	rec = &session.Record{Data: []byte(`{"_session_owner":"ann"}`), Owner: "ann", Expires: inAnHour()}
	if small, err = store.Save(t.Context(), "", rec); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 3000)
	rand.Read(noise)
	rec.Data = fmt.Appendf(nil, `{"_session_owner":"ann","a":"%x"}`, noise)
	if large, err = store.Save(t.Context(), small, rec); err != nil {
		t.Fatal(err)
	}
	if len(large) > 100 {
		t.Fatalf("the large session is in its token, of %d bytes", len(large))
	}
	return store, small, large, rec
}

func TestDeleteUnchangedEndsTheSession(t *testing.T) {
	for _, maxStale := range []time.Duration{0, time.Hour} {
		store, small, large, rec := mixed(t, revocation.Options{MaxStale: maxStale})
		ctx := t.Context()
		stale := *rec
		rec.Data = bytes.Replace(rec.Data, []byte(`"a"`), []byte(`"b"`), 1)
		if _, err := store.Save(ctx, large, rec); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteUnchanged(ctx, large, &stale); !errors.Is(err, session.ErrConflict) {
			t.Errorf("of a session that has changed: %v, want ErrConflict", err)
		}
		if _, err := store.Load(ctx, large); err != nil {
			t.Errorf("after a conflict: %v", err)
		}
		before, err := store.Load(ctx, small)
		if err != nil {
			t.Fatalf("the cookie after a conflict: %v", err)
		}
		if err := store.DeleteUnchanged(ctx, small, before); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("of a cookie: %v, want ErrUnsupported", err)
		}
		if err := store.DeleteUnchanged(ctx, large, rec); err != nil {
			t.Fatal(err)
		}
		for name, token := range map[string]string{"cookie": small, "row": large} {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the %s of a session that was deleted: %v", name, err)
			}
		}
		if err := store.DeleteUnchanged(ctx, large, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("again: %v, want ErrGone", err)
		}
	}
}

func TestTouch(t *testing.T) {
	ctx := t.Context()
	store, small, large, rec := mixed(t, revocation.Options{MaxAge: 24 * time.Hour})
	rec.Expires = rec.Expires.Add(time.Minute)
	if err := store.Touch(ctx, large, rec); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Load(ctx, large); err != nil || !got.Expires.Equal(rec.Expires) ||
		!bytes.Equal(got.Data, rec.Data) {
		t.Errorf("after Touch: %v", err)
	}
	tooLong := *rec
	tooLong.Expires = time.Now().Add(48 * time.Hour)
	if err := store.Touch(ctx, large, &tooLong); err == nil || !strings.Contains(err.Error(), "MaxAge") {
		t.Errorf("beyond MaxAge: %v", err)
	}
	if err := store.Touch(ctx, small, &session.Record{Expires: rec.Expires}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a cookie: %v, want ErrUnsupported", err)
	}
	before := *rec
	rec.Expires = rec.Expires.Add(10 * time.Hour)
	if err := store.Touch(ctx, large, rec); err != nil {
		t.Fatalf("to a much longer life: %v", err)
	}
	if got, err := store.Load(ctx, large); err != nil || !got.Expires.Equal(rec.Expires) ||
		!bytes.Equal(got.Data, rec.Data) || got.Version != rec.Version {
		t.Errorf("after Touch to a much longer life: %v", err)
	}
	before.Expires = rec.Expires.Add(48 * time.Hour)
	if err := store.Touch(ctx, large, &before); err == nil {
		t.Error("a stale Touch to a much longer life: no error")
	}
	wantEnded(t, "the cookie of the shorter life", store, small)
	if err := endAll(ctx, store, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := store.Touch(ctx, large, rec); !errors.Is(err, session.ErrGone) {
		t.Errorf("of a session that was ended with its owner's: %v, want ErrGone", err)
	}
	if err := store.DeleteUnchanged(ctx, large, rec); !errors.Is(err, session.ErrGone) {
		t.Errorf("DeleteUnchanged of that session: %v, want ErrGone", err)
	}

	plain := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
	if err := plain.Touch(ctx, "any", rec); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of an engine that cannot: %v, want ErrUnsupported", err)
	}
	if err := plain.DeleteUnchanged(ctx, "any", rec); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("DeleteUnchanged of an engine that cannot: %v, want ErrUnsupported", err)
	}
}

// What the list has to hold is bounded by what can still be presented: a session
// that was ended stays on it for about as long as sessions like it live.
func TestShortSessionsAreForgottenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		list := revocation.NewMemoryList()
		store := wrap(t, cookies(t), list, revocation.Options{})
		token, _ := begin(t, store, "", time.Now().UTC().Add(time.Minute))
		if err := store.Delete(ctx, token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n, err := store.DeleteExpired(ctx); n != 0 || err != nil {
			t.Fatalf("before clocks are sure to agree: %d, %v", n, err)
		}
		time.Sleep(5 * time.Minute)
		if n, err := store.DeleteExpired(ctx); n != 1 || err != nil || list.Len() != 0 {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
	})
}

// A session that is given a longer life stays on the list for longer, whichever
// of its cookies it is ended with.
func TestALongerLifeIsKnownToTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
		short, rec := begin(t, store, "alice", time.Now().UTC().Add(time.Minute))
		rec.Expires = time.Now().UTC().Add(30 * 24 * time.Hour) // longer than the Manager's sessions
		long, err := store.Save(ctx, short, rec)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, "the id of the shorter life", store, short)
		copied := long
		rec.Expires = time.Now().UTC().Add(time.Minute)
		last, err := store.Save(ctx, long, rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(ctx, last); err != nil {
			t.Fatal(err)
		}
		for range 31 {
			if _, err := store.Load(ctx, copied); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("a copy from the longer life: %v", err)
			}
			time.Sleep(24 * time.Hour)
			if _, err := store.DeleteExpired(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A session that begins while the list cannot be asked ends with those of its
// owner, whatever the clock of the node says at which they are ended.
func TestEndSessionsAtANodeWithALateClock(t *testing.T) {
	ctx := t.Context()
	list := &switchable{List: revocation.NewMemoryList()}
	store := wrap(t, cookies(t), list, revocation.Options{
		ServeUnchecked: func(context.Context, error) bool { return true },
	})
	list.broken.Store(true)
	token, _ := begin(t, store, "alice", inAnHour())
	list.broken.Store(false)
	wantAlive(t, "when the list works again", store, token)
	late := time.Now().Add(-2 * time.Minute).UnixMilli()
	if _, err := list.EndOwner(ctx, "alice", late, inAnHour()); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, "when the owner's were ended at a late node", store, token)
}

// Of a session without a mark the owner is what package session takes for it.
func TestTheOwnerOfAnUnmarkedSession(t *testing.T) {
	ctx := t.Context()
	engine := cookies(t)
	store := wrap(t, engine, revocation.NewMemoryList(), revocation.Options{})
	for _, data := range []string{
		`{"_session_owner":"alice","theme":"dark"}`,
		`{"_session_owner":"alice","_SESSION_OWNER":"nobody"}`,
		`{"_session_owner":"alice","_Session_Owner":1}`,
		`{"_session_owner":"nobody","_session_owner":"alice"}`,
	} {
		token, err := engine.Save(ctx, "", &session.Record{Data: []byte(data), Expires: inAnHour()})
		if err != nil {
			t.Fatal(err)
		}
		if err := endAll(ctx, store, "alice"); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, data, store, token)
	}
	token, err := engine.Save(ctx, "", &session.Record{Data: []byte(`["alice"]`), Expires: inAnHour()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrInvalidToken) {
		t.Errorf("a session of which nobody can say whose it is: %v", err)
	}
}

func TestStartCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		list := revocation.NewMemoryList()
		store := wrap(t, cookies(t), list, revocation.Options{})
		token, _ := begin(t, store, "alice", time.Now().UTC().Add(time.Minute))
		if err := store.Delete(ctx, token); err != nil {
			t.Fatal(err)
		}
		if err := store.StartCleanup(ctx, -1); err == nil {
			t.Error("a negative interval: no error")
		}
		if err := store.StartCleanup(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := store.StartCleanup(ctx, time.Minute); err == nil {
			t.Error("a second cleanup: no error")
		}
		time.Sleep(15 * time.Minute)
		if n := list.Len(); n != 0 {
			t.Errorf("%d are on the list", n)
		}
		stop()
		synctest.Wait()
	})
}

// A login that is to be remembered for a month needs no option.
func TestRememberMe(t *testing.T) {
	store := wrap(t, cookies(t), revocation.NewMemoryList(), revocation.Options{})
	token, _ := begin(t, store, "alice", time.Now().UTC().Add(30*24*time.Hour))
	wantAlive(t, "a session of thirty days", store, token)
}

// An engine that lists an owner's sessions does not list those that have ended,
// and has the label of the one that is kept.
func TestTheEnginesListKnowsOfTheEnd(t *testing.T) {
	ctx := t.Context()
	rows, err := sqlite.Open(ctx, sqlitePath(t), sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	store := wrap(t, rows, revocation.NewMemoryList(), revocation.Options{})
	login := func(label string) string {
		data := []byte(`{"_session_owner":"alice","_session_label":"` + label + `"}`)
		rec := &session.Record{Data: data, Owner: "alice", Label: label, Expires: inAnHour()}
		token, err := store.Save(ctx, "", rec)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	want := func(when string, labels ...string) {
		t.Helper()
		infos, _, err := session.Sessions(ctx, rows, "alice", "", "", 0)
		var got []string
		for _, info := range infos {
			got = append(got, info.Label)
		}
		if err != nil || !slices.Equal(got, labels) {
			t.Errorf("%s: %q, %v; want %q", when, got, err, labels)
		}
	}
	laptop, phone := login("laptop"), login("phone")
	kept, err := store.EndOtherSessions(ctx, "alice", phone)
	if err != nil {
		t.Fatal(err)
	}
	want("after the others were ended", "phone")
	wantAlive(t, "the one that is kept", store, kept)
	if _, err := store.Load(ctx, laptop); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the other one: %v", err)
	}
	if err := endAll(ctx, store, "alice"); err != nil {
		t.Fatal(err)
	}
	want("after all were ended")
	login("tablet")
	if _, err := store.EndOtherSessions(ctx, "alice", kept); !errors.Is(err, session.ErrGone) {
		t.Errorf("by one that is gone: %v", err)
	}
	want("after the others were ended by one that is gone")
}

// An engine whose list may lack sessions does not keep the revocation list from
// ending all of them.
func TestAnIncompleteListOfTheEngineDoesNotMatter(t *testing.T) {
	ctx := t.Context()
	path := sqlitePath(t)
	made, err := sqlite.Open(ctx, path, sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	db := openSQLite(t, path)
	if _, err := db.ExecContext(ctx, "DELETE FROM django_session_owner"); err != nil { // as before Migrate
		t.Fatal(err)
	}
	rows, err := dbstore.New(db, dbstore.SQLite, dbstore.Options{Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if _, err := session.EndSessions(ctx, rows, "alice"); !errors.Is(err, dbstore.ErrOwnersIncomplete) {
		t.Fatalf("EndSessions of the engine: %v", err)
	}
	store := wrap(t, rows, revocation.NewMemoryList(), revocation.Options{})
	mine, _ := begin(t, store, "alice", inAnHour())
	other, _ := begin(t, store, "alice", inAnHour())
	kept, err := store.EndOtherSessions(ctx, "alice", mine)
	if err != nil {
		t.Fatal(err)
	}
	wantAlive(t, "the one that is kept", store, kept)
	wantEnded(t, "the other one", store, other)
	if err := endAll(ctx, store, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, kept); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after all were ended: %v", err)
	}
}
