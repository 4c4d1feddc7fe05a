package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessionengine/session"
)

// marker is in the data of every record of the suite, so that a leak of data
// into an error is seen.
const marker = "confidential"

// A check is one run of a case. Its methods call the store, and fail the test
// when the answer breaks a rule that holds for every call.
//
// It reports to the embedded testing.TB, which is t unless the suite itself is
// being tested.
type check struct {
	testing.TB
	t     *testing.T
	ctx   context.Context
	store session.SessionStore
	f     Features
}

func newCheck(tb testing.TB, t *testing.T, store session.SessionStore, f Features) *check {
	return &check{TB: tb, t: t, ctx: t.Context(), store: store, f: f}
}

// on returns a check of another store for the same case.
func (c *check) on(store session.SessionStore) *check {
	other := *c
	other.store = store
	return &other
}

// with returns a check that passes another context to the store.
func (c *check) with(ctx context.Context) *check {
	other := *c
	other.ctx = ctx
	return &other
}

// payload returns the data of a session, different for each n.
func payload(n int) []byte {
	return fmt.Appendf(nil, `{"%s":"%s %d"}`, marker, marker, n)
}

// record returns a new record with an hour to live.
func record(data []byte) *session.Record {
	return newRecord(data, inSeconds(3600))
}

// newRecord returns a new record. It has an owner and a label, which engines
// that do nothing with them must bear.
func newRecord(data []byte, expires time.Time) *session.Record {
	return &session.Record{Data: data, Expires: expires, Owner: marker + " owner", Label: marker + " label"}
}

// inSeconds returns the whole second that is more than n-1 and at most n
// seconds away.
func inSeconds(n int) time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

// waitUntil sleeps until the wall clock shows t.
func waitUntil(t time.Time) {
	for d := time.Until(t); d > 0; d = time.Until(t) {
		time.Sleep(d)
	}
}

// load is store.Load, checked.
func (c *check) load(token string) (*session.Record, error) {
	c.Helper()
	rec, err := c.store.Load(c.ctx, token)
	c.inspect("Load", err, token, nil)
	switch {
	case err != nil && rec != nil:
		c.Errorf("Load gave a record together with the error %v", err)
	case err == nil && rec == nil:
		err = errors.New("neither a record nor an error")
	case err == nil && rec.Expires.Location() != time.UTC:
		c.Errorf("Load gave an expiry in the time zone %v, want UTC", rec.Expires.Location())
	}
	return rec, err
}

// save is store.Save, checked.
func (c *check) save(token string, rec *session.Record) (string, error) {
	c.Helper()
	return c.write("Save", c.store.Save, token, rec)
}

// renew is store.Renew, checked.
func (c *check) renew(token string, rec *session.Record) (string, error) {
	c.Helper()
	return c.write("Renew", c.store.Renew, token, rec)
}

func (c *check) write(name string, op func(context.Context, string, *session.Record) (string, error), token string,
	rec *session.Record) (string, error) {
	c.Helper()
	before := *rec
	data := string(rec.Data)
	newToken, err := op(c.ctx, token, rec)
	c.inspect(name, err, token, rec)
	if string(rec.Data) != data || !rec.Expires.Equal(before.Expires) || rec.Owner != before.Owner ||
		rec.Label != before.Label {
		c.Errorf("%s changed more than the version of the record it was given", name)
	}
	switch {
	case err != nil && newToken != "":
		c.Errorf("%s gave a token together with the error %v", name, err)
	case err != nil && rec.Version != before.Version:
		c.Errorf("%s failed (%v) and set the record's version nevertheless", name, err)
	case err == nil && newToken == "":
		c.Errorf("%s gave neither a token nor an error", name)
	}
	return newToken, err
}

// delete is store.Delete, checked.
func (c *check) delete(token string) error {
	c.Helper()
	err := c.store.Delete(c.ctx, token)
	c.inspect("Delete", err, token, nil)
	return err
}

// touches reports whether the store must be able to touch every session.
func (c *check) touches() bool {
	_, ok := c.store.(session.Toucher)
	return ok && c.f.Toucher && c.f.StableToken
}

// deletesUnchanged reports whether the store must be able to delete every session
// on condition.
func (c *check) deletesUnchanged() bool {
	_, ok := c.store.(session.UnchangedDeleter)
	return ok && c.f.UnchangedDeleter && c.f.Revocable && c.f.DetectsConflicts
}

// cleans reports whether to go on with a case about DeleteExpired.
func (c *check) cleans() bool {
	_, ok := c.store.(session.ExpiredDeleter)
	return ok && c.f.ExpiredDeleter
}

// touch is Touch of a store that is a Toucher, checked.
func (c *check) touch(token string, rec *session.Record) error {
	c.Helper()
	before := *rec
	err := session.Touch(c.ctx, c.store, token, rec)
	c.inspect("Touch", err, token, rec)
	if string(rec.Data) != string(before.Data) || !rec.Expires.Equal(before.Expires) {
		c.Errorf("Touch changed the data or the expiry of the record it was given")
	}
	return err
}

// deleteUnchanged is DeleteUnchanged of a store that is an UnchangedDeleter,
// checked.
func (c *check) deleteUnchanged(token string, rec *session.Record) error {
	c.Helper()
	err := session.DeleteUnchanged(c.ctx, c.store, token, rec)
	c.inspect("DeleteUnchanged", err, token, rec)
	return err
}

// deleteExpired is DeleteExpired of a store that is an ExpiredDeleter.
func (c *check) deleteExpired() (int64, error) {
	c.Helper()
	n, err := session.DeleteExpired(c.ctx, c.store)
	c.inspect("DeleteExpired", err, "", nil)
	return n, err
}

// inspect fails the test if an error's text tells a token or data.
func (c *check) inspect(name string, err error, token string, rec *session.Record) {
	c.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	if strings.Contains(text, marker) {
		c.Errorf("the error of %s contains data of the session", name)
	}
	if rec != nil && len(rec.Version) >= 16 && strings.Contains(text, rec.Version) {
		c.Errorf("the error of %s contains the version of the session", name)
	}
	// A part of a token may be enough to guess the rest, or to find it in a
	// log. Eight characters are no accident.
	const part = 8
	for i := 0; i+part <= len(token); i++ {
		if strings.Contains(text, token[i:i+part]) {
			c.Errorf("the error of %s contains a part of the token", name)
			return
		}
	}
}

// create saves a new session and fails the test if it cannot.
func (c *check) create(data []byte, expires time.Time) (token string, rec *session.Record) {
	c.Helper()
	rec = newRecord(data, expires)
	token, err := c.save("", rec)
	if err != nil {
		c.Fatalf("Save of a new session: %v", err)
	}
	return token, rec
}

// mustLoad fails the test if the session cannot be loaded.
func (c *check) mustLoad(token string) *session.Record {
	c.Helper()
	rec, err := c.load(token)
	if err != nil {
		c.Fatalf("Load: %v", err)
	}
	return rec
}

// mustSave saves and returns the token to go on with.
func (c *check) mustSave(token string, rec *session.Record) string {
	c.Helper()
	newToken, err := c.save(token, rec)
	if err != nil {
		c.Fatalf("Save: %v", err)
	}
	return newToken
}

// wantData fails the test unless token loads data.
func (c *check) wantData(when, token string, data []byte) {
	c.Helper()
	rec, err := c.load(token)
	if err != nil {
		c.Errorf("%s: Load gave %v, want the session", when, err)
		return
	}
	if string(rec.Data) != string(data) {
		c.Errorf("%s: Load gave other data than was saved last: %s", when, difference(rec.Data, data))
	}
}

// wantDead fails the test unless token stands for nothing.
func (c *check) wantDead(when, token string) {
	c.Helper()
	rec, err := c.load(token)
	switch {
	case err == nil:
		c.Errorf("%s: Load gave a record of %d bytes that expires at %v, want an error that matches "+
			"session.ErrNotFound",
			when, len(rec.Data), rec.Expires)
	case !errors.Is(err, session.ErrNotFound):
		c.Errorf("%s: Load gave %v, want an error that matches session.ErrNotFound", when, err)
	}
}

// wantErr fails the test unless err matches want.
func (c *check) wantErr(when string, err, want error) {
	c.Helper()
	if !errors.Is(err, want) {
		c.Errorf("%s gave the error %v, want one that matches %v", when, err, want)
	}
}

// difference describes where two texts part.
func difference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	cut := func(b []byte) string {
		if len(b) > i+20 {
			return fmt.Sprintf("%q…", b[i:i+20])
		}
		return fmt.Sprintf("%q", b[i:])
	}
	return fmt.Sprintf("%d bytes, want %d; from byte %d %s, want %s", len(got), len(want), i, cut(got), cut(want))
}
