package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"sessionengine/dbstore/sqlite"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// libraries returns those of the matrix, with the settings that they have by
// themselves.
func libraries() []library {
	return []library{
		{"gorilla", newGorillaApp},
		{"scs", newSCSApp},
		{"signedcookie", newCookieApp},
		{"+revocation", newRevocableApp},
		{"dbstore", newRowApp},
	}
}

var errBroken = errors.New("the store is broken")

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// gorillaApp is gorilla/sessions with a CookieStore.
type gorillaApp struct {
	store *sessions.CookieStore
	codec *brokenCodec
}

// brokenCodec is a codec that can be broken.
type brokenCodec struct {
	securecookie.Codec
	broken atomic.Bool
}

func (c *brokenCodec) Encode(name string, value any) (string, error) {
	if c.broken.Load() {
		return "", errBroken
	}
	return c.Codec.Encode(name, value)
}

func newGorillaApp(context.Context, string) (app, error) {
	store := sessions.NewCookieStore(randomBytes(32))
	codec := &brokenCodec{Codec: store.Codecs[0]}
	store.Codecs[0] = codec
	return &gorillaApp{store, codec}, nil
}

func (a *gorillaApp) close() error { return nil }
func (a *gorillaApp) breakStore()  { a.codec.broken.Store(true) }

func (a *gorillaApp) handler(serve func(http.ResponseWriter, *http.Request, visit)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.store.Get(r, "session-name") // the error is ignored as in the README
		serve(w, r, &gorillaVisit{s, r, w})
	})
}

type gorillaVisit struct {
	session *sessions.Session
	r       *http.Request
	w       http.ResponseWriter
}

func (v *gorillaVisit) set(key, value string) { v.session.Values[key] = value }
func (v *gorillaVisit) get(key string) string {
	value, _ := v.session.Values[key].(string)
	return value
}
func (v *gorillaVisit) expireIn(d time.Duration) { v.session.Options.MaxAge = int(d.Seconds()) }
func (v *gorillaVisit) logout()                  { v.session.Options.MaxAge = -1 }
func (v *gorillaVisit) save() error              { return v.session.Save(v.r, v.w) }

// scsApp is scs with its store in memory.
type scsApp struct {
	manager *scs.SessionManager
	store   *brokenStore
}

// brokenStore is a store that can be broken.
type brokenStore struct {
	scs.Store
	broken atomic.Bool
}

func (s *brokenStore) Commit(token string, b []byte, expiry time.Time) error {
	if s.broken.Load() {
		return errBroken
	}
	return s.Store.Commit(token, b, expiry)
}

func newSCSApp(context.Context, string) (app, error) {
	m := scs.New()
	store := &brokenStore{Store: memstore.NewWithCleanupInterval(0)}
	m.Store = store
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, _ error) { // its own, but for the log
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
	return &scsApp{m, store}, nil
}

func (a *scsApp) close() error { return nil }
func (a *scsApp) breakStore()  { a.store.broken.Store(true) }

func (a *scsApp) corrupt(_ context.Context, cookie string) error {
	_, token, _ := strings.Cut(cookie, "=")
	return a.store.Store.Commit(token, []byte("not a session"), time.Now().Add(time.Hour))
}

func (a *scsApp) handler(serve func(http.ResponseWriter, *http.Request, visit)) http.Handler {
	return a.manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, &scsVisit{a.manager, r.Context()})
	}))
}

type scsVisit struct {
	manager *scs.SessionManager
	ctx     context.Context
}

func (v *scsVisit) set(key, value string)    { v.manager.Put(v.ctx, key, value) }
func (v *scsVisit) get(key string) string    { return v.manager.GetString(v.ctx, key) }
func (v *scsVisit) expireIn(d time.Duration) { v.manager.SetDeadline(v.ctx, time.Now().Add(d)) }
func (v *scsVisit) logout()                  { v.manager.Destroy(v.ctx) }
func (v *scsVisit) save() error              { return nil }

// ourApp is this project's middleware over one of its engines.
type ourApp struct {
	manager *session.Manager
	store   *brokenEngine
	log     *lockedBuffer
	release func() error

	secret []byte // of signedcookie, or nil
	path   string // of an SQLite database, or ""
}

// brokenEngine is an engine that can be broken. What it does not pass on, the
// middleware does without.
type brokenEngine struct {
	session.SessionStore
	broken *atomic.Bool
}

func (e brokenEngine) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if e.broken.Load() {
		return "", errBroken
	}
	return e.SessionStore.Save(ctx, token, rec)
}

// ForCookie passes the cookie's name on.
func (e brokenEngine) ForCookie(name string) (session.SessionStore, error) {
	inner, err := session.ForCookie(e.SessionStore, name)
	return brokenEngine{inner, e.broken}, err
}

func newOurApp(store session.SessionStore, release func() error) (*ourApp, error) {
	broken := &brokenEngine{store, new(atomic.Bool)}
	logged := new(lockedBuffer)
	m, err := session.NewManager(broken, session.Options{Logger: slog.New(slog.NewTextHandler(logged, nil))})
	if err != nil {
		return nil, err
	}
	return &ourApp{manager: m, store: broken, log: logged, release: release}, nil
}

func newCookieApp(context.Context, string) (app, error) {
	return openCookieApp(func(cookies *signedcookie.Store) (session.SessionStore, error) { return cookies, nil })
}

// newRevocableApp is signedcookie with a list of what was ended.
func newRevocableApp(context.Context, string) (app, error) {
	return openCookieApp(func(cookies *signedcookie.Store) (session.SessionStore, error) {
		return revocation.New(cookies, revocation.NewMemoryList(), revocation.Options{})
	})
}

func openCookieApp(wrap func(*signedcookie.Store) (session.SessionStore, error)) (app, error) {
	secret := randomBytes(32)
	cookies, err := signedcookie.New(secret, signedcookie.Options{})
	if err != nil {
		return nil, err
	}
	store, err := wrap(cookies)
	if err != nil {
		return nil, err
	}
	a, err := newOurApp(store, nil)
	if err != nil {
		return nil, err
	}
	a.secret = secret
	return cookieApp{a}, nil
}

func newRowApp(ctx context.Context, dir string) (app, error) {
	path := filepath.Join(dir, "sessions.db")
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	a, err := newOurApp(store, store.Close)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	a.path = path
	return rowApp{a}, nil
}

func (a *ourApp) close() error {
	if a.release == nil {
		return nil
	}
	return a.release()
}

func (a *ourApp) logs() string { return a.log.String() }
func (a *ourApp) breakStore()  { a.store.broken.Store(true) }

func (a *ourApp) handler(serve func(http.ResponseWriter, *http.Request, visit)) http.Handler {
	return a.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		serve(w, r, ourVisit{s})
	}))
}

type ourVisit struct{ s *session.Session }

func (v ourVisit) set(key, value string)    { v.s.Set(key, value) }
func (v ourVisit) get(key string) string    { value, _ := session.Get[string](v.s, key); return value }
func (v ourVisit) expireIn(d time.Duration) { v.s.SetExpiry(d) }
func (v ourVisit) logout()                  { v.s.Flush() }
func (v ourVisit) save() error              { return nil }

// cookieApp is an ourApp whose sessions are in cookies.
type cookieApp struct{ *ourApp }

// bomb makes the cookie with a store that has the same secret and a higher
// limit, as anybody who knows the secret could.
func (a cookieApp) bomb(ctx context.Context, size int) (string, error) {
	store, err := signedcookie.New(a.secret, signedcookie.Options{MaxDataBytes: 2 * size})
	if err != nil {
		return "", err
	}
	data := fmt.Appendf(nil, `{"key":"%s"}`, strings.Repeat("A", size))
	value, err := store.Save(ctx, "", &session.Record{Data: data, Expires: time.Now().Add(time.Hour)})
	return session.DefaultCookieName + "=" + value, err
}

// rowApp is an ourApp whose sessions are in an SQLite database.
type rowApp struct{ *ourApp }

func (a rowApp) corrupt(ctx context.Context, _ string) error {
	db, err := sql.Open("sqlite", "file:"+a.path+"?_pragma=busy_timeout(1000)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "UPDATE django_session SET session_data = 'not a session'")
	return errors.Join(err, db.Close())
}
