package sessiontest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sessionengine/session"
)

var saveCases = []testCase{
	{
		name: "what was saved is loaded",
		rule: "Load gives the data byte for byte and the expiry to the second: a store does not parse, re-encode, " +
			"fold or cut the data. What takes more than half of MaxBytes may be refused.",
		run: func(c *check) {
			for _, d := range documents {
				for _, life := range []time.Duration{time.Minute, 14 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
					rec := newRecord([]byte(d.data), inSeconds(int(life/time.Second)))
					expires := rec.Expires
					token, err := c.save("", rec)
					if _, ok := errors.AsType[*session.TooLargeError](err); ok && len(d.data) > c.f.MaxBytes/2 &&
						c.f.MaxBytes > 0 {
						continue // base64, twice, takes nearly twice the bytes
					}
					if err != nil {
						c.Errorf("%s: Save of a new session: %v", d.what, err)
						continue
					}
					rec = c.mustLoad(token)
					if string(rec.Data) != d.data {
						c.Errorf("%s: %s", d.what, difference(rec.Data, []byte(d.data)))
					}
					if !rec.Expires.Equal(expires) {
						c.Errorf("%s: expires at %v, want %v", d.what, rec.Expires, expires)
					}
				}
			}
		},
	},
	{
		name: "Save updates the session",
		rule: "After Save of a loaded record the session holds the new data and the new expiry, under the token that " +
			"Save gave.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			rec := c.mustLoad(token)
			rec.Data = payload(2)
			rec.Expires = inSeconds(7200)
			want := rec.Expires
			newToken := c.mustSave(token, rec)
			if c.f.StableToken && newToken != token {
				c.Errorf("Save changed the token, and StableToken is declared")
			}
			c.wantData("after Save", newToken, payload(2))
			if got := c.mustLoad(newToken).Expires; !got.Equal(want) {
				c.Errorf("after Save the session expires at %v, want %v", got, want)
			}
			if !c.f.StableToken {
				if newToken == token {
					c.Errorf("Save of other data kept the token, and StableToken is not declared")
				}
				c.wantOldState("the token from before Save", token, payload(1))
			}
		},
	},
	{
		name: "a record can be saved again and again",
		rule: "Save sets the record's Version to the state that it stored: whoever saved a record may change it and " +
			"save it again without loading it.",
		run: func(c *check) {
			token, rec := c.create(payload(0), inSeconds(3600))
			for i := 1; i <= 5; i++ {
				rec.Data = payload(i)
				token = c.mustSave(token, rec)
				c.wantData("after another Save of the same record", token, payload(i))
			}
			token, err := c.renew(token, rec)
			if err != nil {
				c.Fatalf("Renew of a record that was saved before: %v", err)
			}
			rec.Data = payload(6)
			token = c.mustSave(token, rec)
			c.wantData("after Save of a record that was renewed before", token, payload(6))
		},
	},
	{
		name: "a Save that changes nothing succeeds",
		rule: "Saving the data and the expiry that are there already is no conflict, and no sign of a session that " +
			"is gone: some databases count such a row as not affected.",
		run: func(c *check) {
			expires := inSeconds(3600)
			token, _ := c.create(payload(1), expires)
			rec := c.mustLoad(token)
			for range 2 {
				token = c.mustSave(token, rec)
			}
			c.wantData("after Save without a change", token, payload(1))
			token, err := c.renew(token, rec)
			if err != nil {
				c.Fatalf("Renew without a change: %v", err)
			}
			c.wantData("after Renew without a change", token, payload(1))
			if c.touches() {
				for range 2 {
					if err := c.touch(token, rec); err != nil {
						c.Fatalf("Touch without a change: %v", err)
					}
				}
				c.wantData("after Touch without a change", token, payload(1))
			}
		},
	},
	{
		name: "saving a stale record is a conflict",
		rule: "Save, Renew and Touch of a record that someone else has changed since it was loaded give " +
			"session.ErrConflict, and the newer state stays. Without DetectsConflicts the last save wins.",
		run: func(c *check) {
			for _, op := range c.writers() {
				token, _ := c.create(payload(1), inSeconds(3600))
				stale := c.mustLoad(token)
				fresh := c.mustLoad(token)
				fresh.Data = payload(2)
				newer := c.mustSave(token, fresh)

				stale.Data = payload(3)
				stale.Expires = inSeconds(7200)
				newToken, err := op.write(token, stale)
				if !c.f.DetectsConflicts {
					if err != nil {
						c.Errorf("%s of a stale record gave %v, want success without DetectsConflicts", op.name, err)
					} else if op.name != "Touch" {
						c.wantData("after "+op.name+" of a stale record", newToken, payload(3))
					}
					continue
				}
				c.wantErr(op.name+" of a stale record", err, session.ErrConflict)
				c.wantData("after "+op.name+" of a stale record", newer, payload(2))
				if err == nil {
					continue
				}

				// What was loaded after the conflict can be saved.
				again := c.mustLoad(newer)
				again.Data = payload(4)
				newer = c.mustSave(newer, again)
				c.wantData("after Save of what was loaded again", newer, payload(4))
			}
		},
	},
	{
		name: "a record without its own version is a conflict",
		rule: "Version is not optional: Save, Renew and Touch of a live session with no version, or with that of " +
			"another session, give session.ErrConflict. Otherwise a caller that forgets it overwrites what others " +
			"saved.",
		run: func(c *check) {
			if !c.f.DetectsConflicts {
				return
			}
			_, other := c.create(payload(9), inSeconds(3600))
			for _, op := range c.writers() {
				for what, version := range map[string]string{"without a version": "",
					"with another session's version": other.Version, "with a made-up version": "made up"} {
					token, _ := c.create(payload(1), inSeconds(3600))
					rec := record(payload(2))
					rec.Version = version
					_, err := op.write(token, rec)
					c.wantErr(op.name+" "+what, err, session.ErrConflict)
					c.wantData("after "+op.name+" "+what, token, payload(1))
				}
			}
		},
	},
	{
		name: "a store keeps no reference to what it was given",
		rule: "Save and Renew copy the data: a caller may change or reuse the slice afterwards.",
		run: func(c *check) {
			data := payload(1)
			token, rec := c.create(data, inSeconds(3600))
			scribble(data)
			c.wantData("after the data given to Save of a new session was overwritten", token, payload(1))

			rec.Data = payload(2)
			token = c.mustSave(token, rec)
			scribble(rec.Data)
			c.wantData("after the data given to Save was overwritten", token, payload(2))

			rec.Data = payload(3)
			token, err := c.renew(token, rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			scribble(rec.Data)
			rec.Expires = time.Time{}
			c.wantData("after the data given to Renew was overwritten", token, payload(3))
		},
	},
	{
		name: "a loaded record belongs to the caller",
		rule: "Load gives a record of the caller's own: changing it, or appending to its data, changes nothing in " +
			"the store and in no other record. Only the bytes of its data belong to nobody.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			one, two := c.mustLoad(token), c.mustLoad(token)
			longer := append(one.Data, "one"...)
			_ = append(two.Data, "two"...)
			if string(longer) != string(payload(1))+"one" {
				c.Errorf("what one caller appends to loaded data is overwritten by another")
			}
			one.Data = payload(2)
			one.Expires = time.Time{}
			one.Version = "changed"
			if string(two.Data) != string(payload(1)) || two.Expires.IsZero() || two.Version == "changed" {
				c.Errorf("a record changed with another one that was loaded from the same token")
			}
			c.wantData("after a loaded record was changed", token, payload(1))
		},
	},
	{
		name: "loaded data stays as it is",
		rule: "What Load gave does not change when anything is loaded, saved, renewed or deleted afterwards.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			kept := c.mustLoad(token)
			for i := range 5 {
				other, rec := c.create(payload(2), inSeconds(3600))
				c.mustLoad(other)
				rec.Data = payload(3)
				other = c.mustSave(other, rec)
				c.mustLoad(other)
				if i == 3 {
					rec := c.mustLoad(token)
					rec.Data = payload(4)
					token = c.mustSave(token, rec)
					c.mustLoad(token)
				}
			}
			if err := c.store.Delete(c.ctx, token); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			if string(kept.Data) != string(payload(1)) {
				c.Errorf("the data of a record changed after it was loaded")
			}
		},
	},
}

var renewCases = []testCase{
	{
		name: "Renew moves the session to a fresh token",
		rule: "After Renew the session goes on under a new token, with the new data. The old token is dead at once " +
			"in a store that is Revocable; in one that is not it stands for the old state until that expires.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			rec := c.mustLoad(token)
			rec.Data = payload(2)
			newToken, err := c.renew(token, rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			if newToken == token {
				c.Errorf("Renew gave the old token")
			}
			c.wantData("after Renew", newToken, payload(2))
			if c.f.Revocable {
				c.wantDead("the old token after Renew", token)
			} else {
				c.wantData("the old token after Renew, without Revocable", token, payload(1))
			}

			loaded := c.mustLoad(newToken)
			loaded.Data = payload(3)
			c.wantData("after Save under the new token", c.mustSave(newToken, loaded), payload(3))
		},
	},
	{
		name: "Renew with an empty token creates",
		rule: "Renew of a session that has no token yet is Save of a new one.",
		run: func(c *check) {
			rec := record(payload(1))
			token, err := c.renew("", rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			c.wantData("after Renew", token, payload(1))
			rec.Data = payload(2)
			c.wantData("after Save of the same record", c.mustSave(token, rec), payload(2))
		},
	},
	{
		name: "a renewed token cannot be used again",
		rule: "Save, Renew and Touch with a token that Renew replaced give session.ErrGone in a store that is " +
			"Revocable: a request that was under way does not bring the old token back.",
		run: func(c *check) {
			for _, op := range c.writers() {
				token, _ := c.create(payload(1), inSeconds(3600))
				stale := c.mustLoad(token)
				newToken, err := c.renew(token, c.mustLoad(token))
				if err != nil {
					c.Fatalf("Renew: %v", err)
				}
				stale.Data = payload(2)
				later, err := op.write(token, stale)
				if c.f.Revocable {
					c.wantErr(op.name+" with a token that was renewed", err, session.ErrGone)
					c.wantDead("the old token after "+op.name, token)
				} else if err != nil {
					c.Errorf("%s with a token that was renewed gave %v, want success without Revocable", op.name, err)
				} else {
					c.wantData("after "+op.name+" with a token that was renewed", later, payload(2))
				}
				c.wantData("the new token after "+op.name+" with the old one", newToken, payload(1))
			}
		},
	},
}

var deleteCases = []testCase{
	{
		name: "a deleted session is dead",
		rule: "After Delete the token stands for nothing in a store that is Revocable. In one that is not the token " +
			"goes on until it expires, which its documentation must say.",
		run: func(c *check) {
			token, rec := c.create(payload(1), inSeconds(3600))
			earlier := token
			rec.Data = payload(2)
			token = c.mustSave(token, rec)
			other, _ := c.create(payload(3), inSeconds(3600))
			if err := c.delete(token); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			if c.f.Revocable {
				c.wantDead("a deleted session", token)
				c.wantDead("an earlier token of a deleted session", earlier)
			} else {
				c.wantData("a deleted session, without Revocable", token, payload(2))
			}
			c.wantData("another session", other, payload(3))
		},
	},
	{
		name: "a deleted session is not resurrected",
		rule: "Save, Renew and Touch of a session that was deleted meanwhile give session.ErrGone in a store that is " +
			"Revocable, and it stays deleted: a slow request does not undo a logout.",
		run: func(c *check) {
			for _, op := range c.writers() {
				token, _ := c.create(payload(1), inSeconds(3600))
				rec := c.mustLoad(token)
				if err := c.delete(token); err != nil {
					c.Fatalf("Delete: %v", err)
				}
				rec.Data = payload(2)
				for range 2 {
					newToken, err := op.write(token, rec)
					if !c.f.Revocable {
						if err != nil {
							c.Errorf("%s after Delete gave %v, want success without Revocable", op.name, err)
						} else {
							c.wantData("after Delete and "+op.name, newToken, payload(2))
						}
						continue
					}
					c.wantErr(op.name+" after Delete", err, session.ErrGone)
					c.wantDead("a session after Delete and "+op.name, token)
				}
			}
		},
	},
	{
		name: "deleting what is not there is no error",
		rule: "Delete of a token that is deleted already, was never issued, is malformed or empty does nothing and " +
			"gives nil: logging out twice is no failure.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			live, _ := c.create(payload(2), inSeconds(3600))
			for range 2 {
				if err := c.delete(token); err != nil {
					c.Errorf("Delete: %v", err)
				}
			}
			for _, g := range garbage {
				if err := c.delete(g.token); err != nil {
					c.Errorf("Delete of %s: %v", g.what, err)
				}
			}
			for what, forged := range tampered(live) {
				if err := c.delete(forged); err != nil {
					c.Errorf("Delete of a token %s: %v", what, err)
				}
			}
			c.wantData("a session after Delete of other tokens", live, payload(2))
		},
	},
}

var deleteUnchangedCases = []testCase{
	{
		name: "DeleteUnchanged deletes what nobody has changed",
		rule: "DeleteUnchanged of a session as it was loaded or saved deletes it, and only it; of one that is " +
			"deleted already it gives session.ErrGone.",
		run: func(c *check) {
			if !c.deletesUnchanged() {
				return
			}
			other, _ := c.create(payload(2), inSeconds(3600))
			saved, ofSave := c.create(payload(1), inSeconds(3600))
			loaded, _ := c.create(payload(1), inSeconds(3600))
			deleted, ofDeleted := c.create(payload(1), inSeconds(3600))
			if err := c.delete(deleted); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			for token, rec := range map[string]*session.Record{saved: ofSave, loaded: c.mustLoad(loaded)} {
				if err := c.deleteUnchanged(token, rec); err != nil {
					c.Errorf("DeleteUnchanged: %v", err)
				}
				c.wantDead("after DeleteUnchanged", token)
				c.wantErr("DeleteUnchanged once more", c.deleteUnchanged(token, rec), session.ErrGone)
			}
			c.wantErr("DeleteUnchanged after Delete", c.deleteUnchanged(deleted, ofDeleted), session.ErrGone)
			c.wantData("another session", other, payload(2))
		},
	},
	{
		name: "DeleteUnchanged leaves what somebody has changed",
		rule: "DeleteUnchanged of a session that was changed since the record's Version gives session.ErrConflict, " +
			"as it does without the session's own version, and the session stays as it is.",
		run: func(c *check) {
			if !c.deletesUnchanged() {
				return
			}
			token, rec := c.create(payload(1), inSeconds(3600))
			stale := *rec
			rec.Data = payload(2)
			token = c.mustSave(token, rec)
			c.wantErr("DeleteUnchanged of a stale record", c.deleteUnchanged(token, &stale), session.ErrConflict)
			c.wantData("after DeleteUnchanged of a stale record", token, payload(2))
			c.wantErr("DeleteUnchanged without a version", c.deleteUnchanged(token, record(payload(2))),
				session.ErrConflict)
			c.wantData("after DeleteUnchanged without a version", token, payload(2))

			chosen := reversed(token)
			if err := c.deleteUnchanged(chosen, rec); !errors.Is(err, session.ErrGone) &&
				!errors.Is(err, session.ErrNotFound) {
				c.Errorf("DeleteUnchanged of a token that was never issued gave %v, want an error that matches "+
					"session.ErrGone or session.ErrNotFound", err)
			}
			c.wantData("after DeleteUnchanged of another token", token, payload(2))
		},
	},
}

// A writer is a way to write a record to the session of a token.
type writer struct {
	name  string
	write func(token string, rec *session.Record) (newToken string, err error)
}

// writers are the ways that the store has.
func (c *check) writers() []writer {
	all := []writer{{"Save", c.save}, {"Renew", c.renew}}
	if c.touches() {
		all = append(all, writer{"Touch", func(token string, rec *session.Record) (string, error) {
			return token, c.touch(token, rec)
		}})
	}
	return all
}

// wantOldState fails the test unless a token that Save replaced by another one
// stands for the state it was issued for, or, in a store that is Revocable, for
// nothing.
func (c *check) wantOldState(when, token string, data []byte) {
	c.Helper()
	rec, err := c.load(token)
	switch {
	case err != nil && !c.f.Revocable:
		c.Errorf("%s: Load gave %v, want the state that the token was issued for", when, err)
	case err != nil:
		c.wantErr(when+": Load", err, session.ErrNotFound)
	case string(rec.Data) != string(data):
		c.Errorf("%s: Load gave other data than the token was issued for: %s", when, difference(rec.Data, data))
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// documents are sessions of all kinds. None takes more than 3 kB, or is hard to
// compress, so that they fit into a cookie.
var documents = []struct{ what, data string }{
	{"an empty object", `{}`},
	{"a login", `{"_auth_user_id":"42","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
		`"` + marker + `":"` + marker + `"}`},
	{"unicode", `{"tên":"Nguyễn Thị Ánh","имя":"Мария","名前":"太郎","🍪":"🥠","combining":"e\u0301é"}`},
	{"escapes", `{"a":"\u0000\u001f\u2028\"\\\/\b\f\n\r\t","\ud83c\udf6a":"\ud800"}`},
	{"white space outside and inside of strings", " { \"a\" : \"  b  \" , \r\n\t\"c\":[ 1 , 2 ] } \n"},
	{"nesting", `{"a":{"b":{"c":[[[{"d":[1,{"e":null}]}]],[],{}]}}}` + strings.Repeat(" ", 10)},
	{"numbers that a float would change", `{"big":9223372036854775807,"bigger":123456789012345678901234567890,` +
		`"small":1e-400,"zero":-0.0,"one":1.00}`},
	{"the same key twice", `{"a":1,"b":2,"a":3}`},
	{"keys in their order", `{"z":1,"a":2,"m":3}`},
	{"what SQL, HTML and cookies treat specially",
		`{"q":"'; DROP TABLE django_session; -- \" ; , = % _ \\ ? $1 :a @b <b>&amp;</b>"}`},
	{"3 kB", cart(3000)},
}

// cart is a JSON object of exactly n bytes, as a shop would keep it.
func cart(n int) string {
	var b strings.Builder
	b.WriteString(`{"cart":[`)
	for i := 0; b.Len() < n-150; i++ {
		fmt.Fprintf(&b, `{"sku":"SKU-%05d","name":"Article %d","quantity":%d,"price":"%d.90"},`, i*7919%100000, i,
			i%5+1, i*31%90+9)
	}
	b.WriteString(`{}],"note":"`)
	for b.Len() < n-2 {
		b.WriteByte('x')
	}
	b.WriteString(`"}`)
	return b.String()
}
