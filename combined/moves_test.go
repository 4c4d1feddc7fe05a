package combined_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/combined"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// put stores a session in an engine and loads it from the combined one.
func put(t *testing.T, engine, store session.SessionStore, data string) (string, *session.Record) {
	t.Helper()
	token, err := engine.Save(t.Context(), "", &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return token, load(t, store, token)
}

func load(t *testing.T, store session.SessionStore, token string) *session.Record {
	t.Helper()
	rec, err := store.Load(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// counted is an engine that knows how many sessions it has.
type counted struct {
	*sessiontest.Memory
	tokens map[string]bool
}

func count() counted { return counted{sessiontest.NewMemory(), make(map[string]bool)} }

func (c counted) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	newToken, err := c.Memory.Save(ctx, token, rec)
	if err == nil {
		c.tokens[newToken] = true
	}
	return newToken, err
}

func (c counted) Delete(ctx context.Context, token string) error {
	delete(c.tokens, token)
	return c.Memory.Delete(ctx, token)
}

// moving are combined engines that move a small session out of the rows.
func moving(t *testing.T, rows session.SessionStore) map[string]session.SessionStore {
	return map[string]session.SessionStore{
		"overflow":                 overflow(t, cookies(t), rows, combined.Options{}),
		"switch":                   switching(t, rows, cookies(t)),
		"switch between databases": switching(t, rows, sessiontest.NewMemory()),
	}
}

// A change after the response's headers have gone out must not move a session,
// since nobody can tell the client its new token.
func TestALateChangeStaysWhereTheSessionIs(t *testing.T) {
	from := rows(t)
	for name, store := range moving(t, from) {
		t.Run(name, func(t *testing.T) {
			token, _ := put(t, from, store, `{"a":1}`)
			m, err := session.NewManager(store, session.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
			m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Load(r)
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				io.WriteString(w, "begun")
				http.NewResponseController(w).Flush()
				s.Set("late", true)
			})).ServeHTTP(w, r)
			if rec, err := from.Load(t.Context(), token); err != nil || string(rec.Data) != `{"a":1,"late":true}` ||
				time.Until(rec.Expires) < 50*time.Minute {
				t.Errorf("under the client's token: %+v, %v", rec, err)
			}
		})
	}
}

func TestSaveInPlace(t *testing.T) {
	ctx := t.Context()
	from := rows(t)
	save := func(store session.SessionStore, token string, rec *session.Record) error {
		return store.(session.InPlaceSaver).SaveInPlace(ctx, token, rec)
	}
	for name, store := range moving(t, from) {
		t.Run(name+" saves a row", func(t *testing.T) {
			token, rec := put(t, from, store, `{"a":1}`)
			stale := *rec
			rec.Data = []byte(`{"a":2}`)
			if err := save(store, token, rec); err != nil {
				t.Fatal(err)
			}
			rec.Data = []byte(`{"a":3}`)
			if err := save(store, token, rec); err != nil {
				t.Fatalf("with the version that the first left: %v", err)
			}
			if now := load(t, store, token); string(now.Data) != `{"a":3}` || now.Version != rec.Version {
				t.Errorf("%s, version %q", now.Data, now.Version)
			}
			if err := save(store, token, &stale); !errors.Is(err, session.ErrConflict) {
				t.Errorf("with an old version: %v", err)
			}
			if err := store.Delete(ctx, token); err != nil {
				t.Fatal(err)
			}
			if err := save(store, token, rec); !errors.Is(err, session.ErrGone) {
				t.Errorf("after logout: %v", err)
			}
		})
		t.Run(name+" leaves what was left behind", func(t *testing.T) {
			token, rec := put(t, from, store, `{"a":1}`)
			if _, err := store.Save(ctx, token, rec); err != nil {
				t.Fatal(err)
			}
			before := load(t, store, token)
			late := *before
			late.Data, late.Expires = []byte(`{"late":1}`), time.Now().Add(time.Hour)
			if err := save(store, token, &late); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v", err)
			}
			if now := load(t, store, token); string(now.Data) != `{"a":1}` || !now.Expires.Equal(before.Expires) {
				t.Errorf("%s, %v", now.Data, now.Expires)
			}
		})
	}
	cookie, mem := cookies(t), count()
	for name, store := range map[string]session.SessionStore{
		"overflow":            overflow(t, cookie, mem, combined.Options{}),
		"switch from cookies": switching(t, cookie, mem),
		"switch to cookies":   switching(t, mem, cookie),
	} {
		for _, size := range []int{1, 9000} {
			token, rec := put(t, cookie, store, `{"a":1}`)
			before := *rec
			rec.Data = []byte(`"` + noise(size) + `"`)
			before.Data = rec.Data
			err := save(store, token, rec)
			if tooLarge := new(session.TooLargeError); !errors.Is(err, errors.ErrUnsupported) &&
				!(name == "switch to cookies" && size > 1 && errors.As(err, &tooLarge)) {
				t.Errorf("%s, %d bytes in a cookie: %v", name, size, err)
			}
			if rec.Version != before.Version || string(rec.Data) != string(before.Data) {
				t.Errorf("%s: the record was changed", name)
			}
		}
	}
	if n := len(mem.tokens); n != 0 {
		t.Errorf("%d sessions were stored elsewhere", n)
	}
}

// What is left behind for the time of grace must not live longer, whatever is
// done with it: whoever has the old token would keep the session past a logout.
func TestTheTimeOfGraceIsABound(t *testing.T) {
	for _, action := range []string{"load", "touch", "save", "renew", "in place", "read with an idle timeout",
		"change"} {
		t.Run(action, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				from := sessiontest.NewMemory()
				for name, store := range moving(t, from) {
					token, rec := put(t, from, store, `{"a":1}`)
					if _, err := store.Save(ctx, token, rec); err != nil {
						t.Fatal(err)
					}
					for range 3 {
						time.Sleep(19 * time.Second)
						old, err := store.Load(ctx, token)
						if action == "renew" && errors.Is(err, session.ErrNotFound) {
							break
						}
						if err != nil {
							t.Fatalf("%s: in the time of grace: %v", name, err)
						}
						if string(old.Data) != `{"a":1}` {
							t.Errorf("%s: %q", name, old.Data)
						}
						old.Expires = time.Now().Add(time.Hour)
						newToken := token
						switch action {
						case "touch":
							if err := session.Touch(ctx, store, token, old); !errors.Is(err, errors.ErrUnsupported) {
								t.Errorf("%s: Touch: %v", name, err)
							}
						case "save":
							if newToken, err = store.Save(ctx, token, old); err != nil || newToken == token {
								t.Errorf("%s: Save: %v, same token %v", name, err, newToken == token)
							}
						case "renew":
							if newToken, err = store.Renew(ctx, token, old); err != nil || newToken == token {
								t.Errorf("%s: Renew: %v, same token %v", name, err, newToken == token)
							}
						case "in place":
							store.(session.InPlaceSaver).SaveInPlace(ctx, token, old)
						case "read with an idle timeout":
							newToken = visit(t, store, token, session.Options{IdleTimeout: time.Hour},
								func(*session.Session) {})
						case "change":
							newToken = visit(t, store, token, session.Options{},
								func(s *session.Session) { s.Set("b", 2) })
						}
						if action == "load" || action == "touch" || action == "in place" {
							continue
						}
						if newToken == token || newToken == "" {
							t.Errorf("%s: the client gets no new token", name)
						} else if anew := load(t, store, newToken); time.Until(anew.Expires) < time.Hour-time.Second {
							t.Errorf("%s: under the new token it ends in %v", name, time.Until(anew.Expires))
						} else if _, err := store.Save(ctx, newToken, anew); err != nil {
							t.Errorf("%s: saved under the new token: %v", name, err)
						}
					}
					time.Sleep(4 * time.Second)
					if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
						t.Errorf("%s: the old token loads a session after the time of grace: %v", name, err)
					}
				}
			})
		})
	}
}

// visit makes a request with a token and returns that of the answer.
func visit(t *testing.T, store session.SessionStore, token string, opts session.Options,
	f func(s *session.Session)) string {
	t.Helper()
	opts.Cookie.InsecureAllowHTTP = true
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil || !s.Has("a") {
			t.Errorf("Load: %v", err)
			return
		}
		f(s)
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		return c.Value
	}
	return ""
}

// A client that never got the answer of the move comes back with the old token.
func TestALostAnswerOfAMoveIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := sessiontest.NewMemory()
		for name, store := range moving(t, from) {
			token, rec := put(t, from, store, `{"a":1}`)
			if _, err := store.Save(t.Context(), token, rec); err != nil { // the answer is lost
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			lost := token
			token = visit(t, store, token, session.Options{IdleTimeout: time.Hour}, func(*session.Session) {})
			time.Sleep(30 * time.Minute)
			if token == "" || token == lost {
				t.Errorf("%s: no new token", name)
			} else if rec := load(t, store, token); string(rec.Data) != `{"a":1}` {
				t.Errorf("%s: %s", name, rec.Data)
			}
		}
	})
}

// A logout with the old token ends what is left there, and a request that has
// loaded it before does not bring it back.
func TestWhatIsLeftBehindCanBeEnded(t *testing.T) {
	ctx := t.Context()
	from := rows(t)
	for name, s := range moving(t, from) {
		for how, end := range map[string]func(token string, rec *session.Record) error{
			"Delete": func(token string, rec *session.Record) error { return s.Delete(ctx, token) },
			"DeleteUnchanged": func(token string, rec *session.Record) error {
				return s.(session.UnchangedDeleter).DeleteUnchanged(ctx, token, rec)
			},
			"Renew": func(token string, rec *session.Record) error {
				renewed := *rec
				_, err := s.Renew(ctx, token, &renewed)
				return err
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				token, rec := put(t, from, s, `{"a":1}`)
				if _, err := s.Save(ctx, token, rec); err != nil {
					t.Fatal(err)
				}
				old := load(t, s, token)
				if err := end(token, old); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("Load: %v", err)
				}
				_, saveErr := s.Save(ctx, token, old)
				_, renewErr := s.Renew(ctx, token, old)
				if !errors.Is(saveErr, session.ErrGone) || !errors.Is(renewErr, session.ErrGone) {
					t.Errorf("Save and Renew of what was loaded before: %v, %v", saveErr, renewErr)
				}
			})
		}
	}
}

// Whoever goes on asking with the old token gets no more than 32 sessions of it.
func TestWhatIsLeftBehindBecomesFewSessions(t *testing.T) {
	from := rows(t)
	for name, store := range moving(t, from) {
		token, rec := put(t, from, store, `{"a":1}`)
		made := 0
		for ; made < 100; made++ {
			rec.Data = fmt.Appendf(nil, `{"a":%d}`, made)
			if _, err := store.Save(t.Context(), token, rec); err != nil {
				if !errors.Is(err, session.ErrGone) {
					t.Errorf("%s: Save: %v", name, err)
				}
				break
			}
			rec = load(t, store, token)
		}
		if made != 32 {
			t.Errorf("%s: %d sessions were made of one, want 32", name, made)
		}
	}
}

// The mark of what is left behind comes through Django's signed rows.
func TestTheTimeOfGraceIsABoundInDjangosTable(t *testing.T) {
	ctx := t.Context()
	opts, err := django.Rows("a secret key for the tests", django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	from, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for name, store := range moving(t, from) {
		token, rec := put(t, from, store, `{"a":"ä\\u00e4"}`)
		if _, err := store.Save(ctx, token, rec); err != nil {
			t.Fatal(err)
		}
		old := load(t, store, token)
		if string(old.Data) != `{"a":"ä\\u00e4"}` {
			t.Errorf("%s: %s", name, old.Data)
		}
		if err := store.(session.Toucher).Touch(ctx, token, old); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: Touch: %v", name, err)
		}
	}
}

// A refused move leaves nothing in the new place.
func TestARefusedMoveIsTakenBack(t *testing.T) {
	ctx := t.Context()
	from, to := rows(t), count()
	store := switching(t, from, to)
	token, rec := put(t, from, store, `{"a":1}`)
	if _, err := store.Save(ctx, token, rec); err != nil {
		t.Fatal(err)
	}
	old := load(t, store, token)
	if err := store.Delete(ctx, token); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(ctx, token, old); !errors.Is(err, session.ErrGone) {
		t.Errorf("Save: %v", err)
	}
	if len(to.tokens) != 0 {
		t.Errorf("%d sessions in the new place", len(to.tokens))
	}
}

// What is too large for the old engine need not stay readable there.
func TestASessionThatOutgrowsTheOldEngineMoves(t *testing.T) {
	from, to := cookies(t), rows(t)
	store := switching(t, from, to)
	token, rec := put(t, from, store, `{"a":1}`)
	rec.Data = []byte(`{"a":"` + noise(6000) + `"}`)
	moved, err := store.Save(t.Context(), token, rec)
	if err != nil {
		t.Fatal(err)
	}
	if now := load(t, to, moved); string(now.Data) != string(rec.Data) {
		t.Error("not what was saved")
	}
}

// A list around the Switch knows the sessions of both engines, and so ends the
// cookies that a session had before it moved. One around the cookie engine ends
// them when the session is renewed.
func TestRevocationAroundASwitchEndsOldCookies(t *testing.T) {
	ctx := t.Context()
	store, err := revocation.New(switching(t, cookies(t), rows(t)), revocation.NewMemoryList(), revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := revocation.New(cookies(t), revocation.NewMemoryList(), revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	old, rec := put(t, plain, store, `{"a":1}`)
	row, err := store.Save(ctx, old, rec)
	if err != nil || len(row) != 32 {
		t.Fatalf("not moved: %v", err)
	}
	if err := store.Delete(ctx, row); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{old, row} {
		if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after logout: %v", err)
		}
	}

	inside := switching(t, plain, rows(t))
	old, rec = put(t, plain, inside, `{"a":1}`)
	if _, err := inside.Renew(ctx, old, rec); err != nil {
		t.Fatal(err)
	}
	if _, err := inside.Load(ctx, old); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the old cookie lives after Renew: %v", err)
	}
}

// A logout with the old token ends what the session has become.
func TestALogoutFollowsTheMove(t *testing.T) {
	ctx := t.Context()
	from, to := rows(t), rows(t)
	store := switching(t, from, to)
	for _, data := range []string{`{"a":1}`, `{}`, `{ "a":"{" }`} {
		token, rec := put(t, from, store, data)
		moved, err := store.Save(ctx, token, rec)
		if err != nil {
			t.Fatal(err)
		}
		var made []string // of what was left behind, by requests with the old token
		for range 3 {
			old := load(t, store, token)
			if string(old.Data) != data {
				t.Errorf("what was left behind is %s, want %s", old.Data, data)
			}
			again, err := store.Save(ctx, token, old)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, again)
		}
		raw := load(t, from, token)
		for _, secret := range append(made, moved) {
			if strings.Contains(string(raw.Data), secret) {
				t.Error("the old place shows a token of the new one")
			}
		}
		if err := store.Delete(ctx, token); err != nil {
			t.Fatal(err)
		}
		for _, token := range append(made, moved, token) {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("after the logout: %v", err)
			}
		}
	}
}

// A logout and a move of one session at the same time leave nothing behind.
func TestALogoutBesideAMove(t *testing.T) {
	ctx := t.Context()
	from, to := rows(t), rows(t)
	store := switching(t, from, to)
	for range 50 {
		token, rec := put(t, from, store, `{"a":1}`)
		var moved string
		var wait sync.WaitGroup
		wait.Go(func() {
			var err error
			if moved, err = store.Save(ctx, token, rec); err != nil && !errors.Is(err, session.ErrGone) {
				t.Errorf("Save: %v", err)
			}
		})
		wait.Go(func() {
			if err := store.Delete(ctx, token); err != nil {
				t.Errorf("Delete: %v", err)
			}
		})
		wait.Wait()
		for _, token := range []string{token, moved} {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("the session lives on: %v", err)
			}
		}
	}
}

// The sessions of an owner end in both engines, and one that moves does not get
// away.
func TestEndSessionsInBothEngines(t *testing.T) {
	ctx := t.Context()
	from, to := ownedRows(t), ownedRows(t)
	store := switching(t, from, to)
	rec := func() *session.Record {
		return &session.Record{Data: []byte(`{"_session_owner":"ann"}`), Owner: "ann",
			Expires: time.Now().Add(time.Hour)}
	}
	begin := func(s session.SessionStore) string {
		token, err := s.Save(ctx, "", rec())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, keep := range []session.SessionStore{nil, from, to} {
		before, moving, after := begin(from), begin(from), begin(to)
		old := load(t, store, moving)
		old.Owner = "ann"
		moved, err := store.Save(ctx, moving, old)
		if err != nil {
			t.Fatal(err)
		}
		if keep == nil {
			// What the move has left behind counts, too.
			if n, err := session.EndSessions(ctx, store, "ann"); n != 4 || err != nil {
				t.Errorf("EndSessions: %d, %v", n, err)
			}
		} else {
			mine := begin(keep)
			kept, err := session.EndOtherSessions(ctx, store, "ann", mine)
			if err != nil {
				t.Fatal(err)
			}
			load(t, store, kept)
			if _, err := store.Load(ctx, mine); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the old token of the session that is kept: %v", err)
			}
			if _, err := session.EndOtherSessions(ctx, store, "ann", mine); !errors.Is(err, session.ErrGone) {
				t.Errorf("with a dead token: %v", err)
			}
		}
		for _, token := range []string{before, moving, moved, after} {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("a session of the owner: %v", err)
			}
		}
	}
	if _, err := session.EndSessions(ctx, switching(t, cookies(t), to), "ann"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("with an engine that cannot: %v", err)
	}
}

// beforeCreate is an engine in which something happens before a session begins.
type beforeCreate struct {
	*dbstore.Store
	do func()
}

func (b *beforeCreate) ForCookie(string) (session.SessionStore, error) { return b, nil }

func (b *beforeCreate) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if token == "" {
		b.do()
	}
	return b.Store.Save(ctx, token, rec)
}

// A session that grows does not get away when its owner's are ended.
func TestASessionThatOutgrowsTheCookieEndsWithItsOwners(t *testing.T) {
	for _, renew := range []bool{false, true} {
		small, err := revocation.New(cookies(t), revocation.NewMemoryList(), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		large := &beforeCreate{Store: ownedRows(t)}
		store := overflow(t, small, large, combined.Options{})
		ctx := t.Context()
		rec := &session.Record{Data: []byte(`{"_session_owner":"ann"}`), Owner: "ann",
			Expires: time.Now().Add(time.Hour)}
		token, err := store.Save(ctx, "", rec)
		if err != nil {
			t.Fatal(err)
		}
		large.do = func() {
			if _, err := store.EndSessions(ctx, "ann"); err != nil {
				t.Error(err)
			}
		}
		rec.Data = []byte(`{"_session_owner":"ann","big":"` + noise(9000) + `"}`)
		save := store.Save
		if renew {
			save = store.Renew
		}
		if _, err := save(ctx, token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("renew=%v: %v, want ErrGone", renew, err)
		}
		if n, _, err := large.Count(ctx); n != 0 || err != nil {
			t.Errorf("renew=%v: %d sessions in rows, %v; want none", renew, n, err)
		}
	}
}

// The time of grace does not bound what EndOthers makes of an old token.
func TestEndOthersWithATokenOfTheOldPlace(t *testing.T) {
	from, to := ownedRows(t), ownedRows(t)
	store := switching(t, from, to)
	old, err := from.Save(t.Context(), "", &session.Record{
		Data: []byte(`{"a":1,"_session_owner":"ann"}`), Owner: "ann", Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	moved := visit(t, store, old, session.Options{}, func(s *session.Session) { s.Set("n", 2) })
	kept := visit(t, store, old, session.Options{}, func(s *session.Session) { s.EndOthers() })
	if left := time.Until(load(t, store, kept).Expires); left < time.Hour {
		t.Errorf("the session that is kept lives for %v", left)
	}
	for _, token := range []string{old, moved} {
		if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("another token: %v", err)
		}
	}
}
