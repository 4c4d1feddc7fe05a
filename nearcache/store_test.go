package nearcache_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/combined"
	"sessionengine/metrics"
	"sessionengine/nearcache"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

func newNear(t *testing.T) session.SessionStore { return near(t, newHub(), nearcache.Options{}) }

func features() sessiontest.Features {
	f := sessiontest.MemoryFeatures()
	f.Peer = func(t *testing.T, s session.SessionStore) session.SessionStore {
		return near(t, nearcache.EngineOf(s.(*nearcache.Store)), nearcache.Options{})
	}
	return f
}

func TestConformance(t *testing.T) { sessiontest.Run(t, newNear, features()) }

func TestRandomOperations(t *testing.T) {
	sessiontest.RunRandom(t, 0, 5000,
		sessiontest.Subject{Name: "nearcache", New: newNear, Features: features()},
		sessiontest.Subject{Name: "memory", Features: sessiontest.MemoryFeatures(),
			New: func(t *testing.T) session.SessionStore { return sessiontest.NewMemory() }})
}

func TestReadsAreAnsweredFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{})
		token, _ := create(t, s, `{"n":1}`)
		for range 10 {
			rec, err := s.Load(t.Context(), token)
			if err != nil || string(rec.Data) != `{"n":1}` {
				t.Fatal(rec, err)
			}
			// The record is the caller's own, and appending to its data is safe.
			_ = append(rec.Data, "other"...)
			rec.Data, rec.Version, rec.Expires = []byte("other"), "other", time.Time{}
		}
		if st := s.Stats(); h.loads != 1 || st.Hits != 9 || st.Misses != 1 || st.Entries != 1 {
			t.Errorf("%d loads, %+v; want one load and nine hits", h.loads, st)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Load(ctx, token); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is done: %v", err)
		}
	})
}

// What a node does, it sees at once, even if nobody tells it.
func TestOwnChangesAreSeenAtOnce(t *testing.T) {
	ctx := t.Context()
	for name, do := range map[string]func(s *nearcache.Store, token string, rec *session.Record) (string, error){
		"Save": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return s.Save(ctx, token, rec)
		},
		"SaveInPlace": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return token, s.SaveInPlace(ctx, token, rec)
		},
		"Renew": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return s.Renew(ctx, token, rec)
		},
		"Delete": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return "", s.Delete(ctx, token)
		},
		"DeleteUnchanged": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return "", s.DeleteUnchanged(ctx, token, rec)
		},
		"EndSessions": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			_, err := s.EndSessions(ctx, "anna")
			return "", err
		},
		"EndOtherSessions": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			return s.EndOtherSessions(ctx, "anna", token)
		},
		"EndSession": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			page, _, err := s.Sessions(ctx, "anna", "", "", 0)
			if err != nil || len(page) != 1 {
				return "", fmt.Errorf("%d sessions, %w", len(page), err)
			}
			return "", s.EndSession(ctx, "anna", page[0].ID)
		},
		"Touch": func(s *nearcache.Store, token string, rec *session.Record) (string, error) {
			rec.Expires = time.Now().Add(time.Second).Truncate(time.Second)
			err := s.Touch(ctx, token, rec)
			time.Sleep(time.Second)
			return "", err
		},
	} {
		// A load may have been answered before the change, or be answered after it.
		for _, underWay := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " under way ", underWay), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHub()
					s := near(t, h, nearcache.Options{MaxStale: time.Minute})
					h.swallow = true
					rec := &session.Record{Data: []byte("1"), Expires: time.Now().Add(time.Hour), Owner: "anna"}
					token, err := s.Save(ctx, "", rec)
					if err != nil {
						t.Fatal(err)
					}
					hold := make(chan struct{})
					if underWay {
						h.loaded = func(string) { <-hold }
					} else {
						close(hold)
					}
					var wg sync.WaitGroup
					wg.Go(func() { holds(t, s, token, "1") })
					synctest.Wait()
					h.loaded = nil
					before := rec.Expires
					if name == "Save" || name == "SaveInPlace" || name == "Renew" {
						rec.Data = []byte("2")
					}
					want := string(rec.Data)
					newToken, err := do(s, token, rec)
					if err != nil {
						t.Fatal(err)
					}
					if underWay {
						close(hold)
					}
					wg.Wait()
					if newToken != token {
						holds(t, s, token, "")
					}
					if newToken != "" {
						holds(t, s, newToken, want)
					} else if name == "Touch" && !rec.Expires.Before(before) {
						t.Error("the life is no shorter")
					}
				})
			})
		}
	}
}

// Another node's change is seen when it is told, also by a load whose answer comes
// after that.
func TestAChangeThatIsToldBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{MaxStale: time.Minute})
		token, _ := create(t, h, "1")
		hold := make(chan struct{})
		h.loaded = func(string) { <-hold }
		var wg sync.WaitGroup
		wg.Go(func() { holds(t, s, token, "1") }) // read, and not answered yet
		synctest.Wait()
		h.loaded = nil
		change(t, h, token, "2") // told
		close(hold)
		wg.Wait()
		holds(t, s, token, "2")
		holds(t, s, token, "2")
		if st := s.Stats(); st.Hits != 1 {
			t.Errorf("%+v: want one hit", st)
		}
		if err := h.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		holds(t, s, token, "")
	})
}

// The same when everything may have changed, and when watching ends and begins.
func TestAFlushBeforeTheAnswer(t *testing.T) {
	for name, flush := range map[string]func(h *hub){
		"anything may have changed": func(h *hub) { h.all(nil) },
		"the connection was lost":   func(h *hub) { h.setDown(true); h.setDown(false); time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub()
				s := near(t, h, nearcache.Options{MaxStale: time.Minute})
				token, _ := create(t, h, "1")
				hold := make(chan struct{})
				h.loaded = func(string) { <-hold }
				var wg sync.WaitGroup
				wg.Go(func() { holds(t, s, token, "1") })
				synctest.Wait()
				h.loaded, h.swallow = nil, true
				change(t, h, token, "2")
				h.swallow = false
				flush(h)
				watches(t, s)
				close(hold)
				wg.Wait()
				holds(t, s, token, "2")
			})
		})
	}
}

// Whatever is told, nothing is older than MaxStale, counted from before the read.
func TestNothingIsOlderThanMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{MaxStale: 5 * time.Second})
		token, _ := create(t, h, "1")
		h.loaded = func(string) { time.Sleep(2 * time.Second) } // a slow answer
		holds(t, s, token, "1")
		h.loaded, h.swallow = nil, true
		if err := h.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*time.Second - time.Millisecond)
		holds(t, s, token, "1")
		time.Sleep(time.Millisecond)
		holds(t, s, token, "")
		holds(t, s, token, "") // and is not remembered as missing
		if h.loads != 3 {
			t.Errorf("%d loads, want 3", h.loads)
		}
	})
}

func TestASessionExpiresOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{MaxStale: time.Minute})
		expires := time.Now().Add(10 * time.Second).Truncate(time.Second)
		token, err := h.Save(t.Context(), "", &session.Record{Data: []byte("1"), Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, s, token, "1")
		time.Sleep(time.Until(expires) - 1)
		holds(t, s, token, "1")
		time.Sleep(time.Nanosecond)
		holds(t, s, token, "")
		if h.loads != 2 {
			t.Errorf("%d loads, want 2", h.loads)
		}
	})
}

// A session that begins later under a token that was asked for is seen, and a
// failure does not stay.
func TestOnlySessionsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{})
		token, _ := create(t, h, "1")
		ctx, cancel := context.WithCancel(t.Context())
		h.loaded = func(string) { cancel() }
		for range 2 {
			holds(t, s, strings.Repeat("x", 32), "")
		}
		if _, err := s.Load(ctx, token); err == nil {
			t.Error("no error")
		}
		holds(t, s, token, "1")
		if h.loads != 4 || s.Stats().Entries != 1 {
			t.Errorf("%d loads, %+v; want 4, and one entry", h.loads, s.Stats())
		}
	})
}

// A save of something stale fails at the engine, and loading again finds the
// newer state, although nobody told of it.
func TestAConflictForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{MaxStale: time.Hour})
		h.swallow = true
		token, _ := create(t, h, "1")
		holds(t, s, token, "1")
		change(t, h, token, "2")
		stale, err := s.Load(t.Context(), token)
		if err != nil || string(stale.Data) != "1" {
			t.Fatal(stale, err)
		}
		if _, err := s.Save(t.Context(), token, stale); !errors.Is(err, session.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
		holds(t, s, token, "2")
		if err := h.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		stale, err = s.Load(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Touch(t.Context(), token, stale); !errors.Is(err, session.ErrGone) {
			t.Errorf("Touch: %v, want ErrGone", err)
		}
		holds(t, s, token, "")
	})
}

// Requests of one session on two nodes that hear nothing of each other.
func TestNoUpdateIsLostUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		var handlers []http.Handler
		for range 2 {
			handlers = append(handlers, counter(t, near(t, h, nearcache.Options{MaxStale: time.Hour})))
		}
		h.swallow = true
		cookie := get(t, handlers[0], nil).Result().Cookies()[0]
		for range 50 {
			var wg sync.WaitGroup
			for _, handler := range handlers {
				wg.Go(func() { get(t, handler, cookie) })
			}
			wg.Wait()
		}
		if n := get(t, handlers[0], cookie).Body.String(); n != "102" {
			t.Errorf("the counter is %s, want 102", n)
		}
	})
}

// counter counts requests in their session.
func counter(t testing.TB, store session.SessionStore) http.Handler {
	m, err := session.NewManager(store, session.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, err := session.Load(r)
		if err != nil {
			return
		}
		session.Change(sess, "n", func(n int) int { return n + 1 })
		n, _ := session.Get[int](sess, "n")
		fmt.Fprint(w, n)
	}))
}

func get(t testing.TB, handler http.Handler, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "https://example.com/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	return w
}

// While changes are not told, nothing is remembered; the Store watches again by
// itself, and logs once that it does not and once that it does.
func TestWhileNobodyTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := logOf()
		h := newHub()
		s := near(t, h, nearcache.Options{MaxStale: time.Hour, Logger: logger})
		token, _ := create(t, h, "1")
		holds(t, s, token, "1")
		h.setDown(true)
		synctest.Wait()
		change(t, h, token, "2")
		for range 3 {
			holds(t, s, token, "2")
		}
		if st := s.Stats(); st.Watching || st.Entries != 0 || st.Hits != 0 {
			t.Errorf("while nobody tells: %+v", st)
		}
		time.Sleep(time.Hour / 2)
		h.mu.Lock()
		watches := h.watches
		h.mu.Unlock()
		if watches < 200 || watches > 2000 {
			t.Errorf("watched %d times in half an hour", watches)
		}
		h.setDown(false)
		time.Sleep(10 * time.Second)
		holds(t, s, token, "2")
		holds(t, s, token, "2")
		if st := s.Stats(); !st.Watching || st.Hits != 1 {
			t.Errorf("when it tells again: %+v", st)
		}
		if lines := strings.Count(log(), "\n"); lines != 2 || strings.Contains(log(), token) {
			t.Errorf("%d lines, want 2: %s", lines, log())
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, most = 1000, 1 << 20
		s := near(t, newHub(), nearcache.Options{Bytes: most})
		for range 3 * most / size {
			token, _ := create(t, s, strings.Repeat("x", size))
			holds(t, s, token, strings.Repeat("x", size))
		}
		if n := s.Stats().Entries; n > most/size || n < most/size/4 {
			t.Errorf("%d sessions of %d bytes are in memory, of %d bytes", n, size, most)
		}
		token, _ := create(t, s, strings.Repeat("x", most/4))
		n := s.Stats().Entries
		holds(t, s, token, strings.Repeat("x", most/4))
		if s.Stats().Entries > n {
			t.Error("a session of a quarter of the memory is remembered")
		}
		time.Sleep(10*time.Second + 1) // twice MaxStale
		if n := s.Stats().Entries; n != 0 {
			t.Errorf("%d sessions are in memory that are too old to be used", n)
		}
	})
}

// That nothing runs any more after Close the bubble tells.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s := near(t, h, nearcache.Options{})
		token, _ := create(t, s, "1")
		holds(t, s, token, "1")
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if _, err := s.Load(t.Context(), token); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Load: %v", err)
		}
		holds(t, h, token, "1") // the engine is open
		if st := s.Stats(); st.Watching || st.Entries != 0 {
			t.Errorf("after Close: %+v", st)
		}
	})
	synctest.Test(t, func(t *testing.T) { // while it waits to watch again
		h := newHub()
		h.down = true
		s, err := nearcache.New(h, nearcache.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.Close()
	})
}

func TestNew(t *testing.T) {
	for _, opts := range []nearcache.Options{{MaxStale: -1}, {MaxStale: time.Millisecond}, {Bytes: -1}} {
		if _, err := nearcache.New(newHub(), opts); err == nil {
			t.Errorf("%+v: no error", opts)
		}
	}
	if _, err := nearcache.New(nil, nearcache.Options{}); err == nil {
		t.Error("a nil engine: no error")
	}
	s := near(t, metrics.Instrument(newHub()), nearcache.Options{})
	if text := fmt.Sprintf("%v %+v", s, s); strings.Contains(text, "hub") {
		t.Errorf("it prints as %s", text)
	}
}

// Engines that do not tell of changes, or could tell of some only, are refused
// with an error that says so.
func TestEnginesThatCannotTell(t *testing.T) {
	secret := make([]byte, 32)
	rand.Read(secret)
	cookies, err := signedcookie.New(secret, signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub()
	moving, err := combined.NewSwitch(h, newHub(), combined.Options{})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := revocation.New(h, revocation.NewMemoryList(), revocation.Options{MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, engine := range map[string]session.SessionStore{
		"memory": sessiontest.NewMemory(), "signedcookie": cookies, "combined": moving, "revocation": revoked,
		"metrics": metrics.Instrument(sessiontest.NewMemory()), "nearcache": near(t, h, nearcache.Options{}),
	} {
		if _, err := nearcache.New(engine, nearcache.Options{}); !errors.Is(err, errors.ErrUnsupported) ||
			!strings.Contains(err.Error(), "dbstore on PostgreSQL") {
			t.Errorf("%s: %v; want an error that says what can", name, err)
		}
	}
}
