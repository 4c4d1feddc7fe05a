package sessiontest

import (
	"context"
	"errors"
	"time"

	"sessionengine/session"
)

// A session that a case waits for lives between two and three seconds: enough
// for a slow machine to use it before it ends, where time is real.
func soon() time.Time { return inSeconds(3) }

// wantAlive is wantData for a session that expires at expires: it tells nothing
// if the machine was so slow that this moment has come.
func (c *check) wantAlive(when, token string, data []byte, expires time.Time) {
	c.Helper()
	rec, err := c.load(token)
	switch {
	case !time.Now().Before(expires):
		c.Logf("%s: not tested, since the session was over before the store answered", when)
	case err != nil:
		c.Errorf("%s: Load gave %v, want the session", when, err)
	case string(rec.Data) != string(data):
		c.Errorf("%s: Load gave other data than was saved last: %s", when, difference(rec.Data, data))
	}
}

var timeCases = []testCase{
	{
		name: "a session is loaded until it expires, and not a moment longer",
		rule: "Load gives the session before Expires, and an error that matches session.ErrNotFound at Expires and " +
			"after it, cleaned up or not.",
		waits: true,
		run: func(c *check) {
			expires := soon()
			token, _ := c.create(payload(1), expires)
			long, _ := c.create(payload(2), inSeconds(3600))
			c.wantAlive("right after Save", token, payload(1), expires)
			waitUntil(expires.Add(-time.Second))
			c.wantAlive("a second before it expires", token, payload(1), expires)
			waitUntil(expires)
			c.wantDead("when it expires", token)
			waitUntil(expires.Add(time.Second))
			c.wantDead("a second after it expired", token)
			c.wantData("a session that expires later", long, payload(2))
		},
	},
	{
		name: "a fraction of a second is dropped and never rounded up",
		rule: "A store may drop the fraction of a second of Expires. It never gives back a later expiry, and never " +
			"loads the session after the moment that was asked for.",
		waits: true,
		run: func(c *check) {
			whole := soon()
			for _, fraction := range []time.Duration{time.Nanosecond, 499 * time.Millisecond, 500 * time.Millisecond,
				999_999_999} {
				expires := whole.Add(fraction)
				token, _ := c.create(payload(1), expires)
				rec, err := c.load(token)
				if err != nil {
					c.Errorf("Load of a session that lives for seconds and %v: %v", fraction, err)
					continue
				}
				if rec.Expires.After(expires) || rec.Expires.Before(whole) {
					c.Errorf("expires at %v, want %v or that second without its fraction", rec.Expires, expires)
				}
			}
			token, _ := c.create(payload(1), whole.Add(600*time.Millisecond))
			c.wantAlive("before the whole second", token, payload(1), whole)
			waitUntil(whole.Add(600 * time.Millisecond))
			c.wantDead("at the moment that was asked for", token)
		},
	},
	{
		name: "a session that has expired when it is saved is never loaded",
		rule: "A record whose Expires has passed may be refused or stored. It is not loaded, and the token it was " +
			"saved under does not fall back to an older state.",
		run: func(c *check) {
			past := record(payload(1))
			past.Expires = inSeconds(-10)
			if token, err := c.save("", past); err == nil {
				c.wantDead("a new session that was over", token)
			}
			token, rec := c.create(payload(2), inSeconds(3600))
			rec.Expires = inSeconds(-10)
			if newToken, err := c.save(token, rec); err == nil {
				c.wantDead("a session after Save with an expiry in the past", newToken)
			}
		},
	},
	{
		name:  "Save and Renew move the expiry",
		rule:  "The expiry of the record that was saved last counts, be it later or earlier than the one before.",
		waits: true,
		run: func(c *check) {
			short, long := soon(), inSeconds(3600)
			type life struct {
				name    string
				token   string
				expires time.Time
			}
			var lives []life
			for _, op := range []writer{{"Save", c.save}, {"Renew", c.renew}} {
				token, rec := c.create(payload(1), short)
				rec.Expires = long
				newToken, err := op.write(token, rec)
				if err != nil {
					c.Fatalf("%s: %v", op.name, err)
				}
				lives = append(lives, life{op.name + " with a later expiry", newToken, long})

				token, rec = c.create(payload(1), long)
				rec.Expires = short
				newToken, err = op.write(token, rec)
				if err != nil {
					c.Fatalf("%s: %v", op.name, err)
				}
				lives = append(lives, life{op.name + " with an earlier expiry", newToken, short})
			}
			waitUntil(short)
			for _, l := range lives {
				if l.expires.Equal(long) {
					c.wantData("after "+l.name, l.token, payload(1))
				} else {
					c.wantDead("after "+l.name, l.token)
				}
			}
		},
	},
	{
		name: "an expired session has ended for writers too",
		rule: "Save, Renew, Touch and DeleteUnchanged of a session that has expired since it was loaded give " +
			"session.ErrGone in a store that is Revocable, the same whether or not it was cleaned up meanwhile. " +
			"Delete of it gives nil.",
		waits: true,
		run: func(c *check) {
			expires := soon()
			type open struct {
				op    writer
				token string
				rec   *session.Record
			}
			var all []open
			for _, op := range c.writers() {
				token, rec := c.create(payload(1), expires)
				all = append(all, open{op, token, rec})
			}
			deleted, rec := c.create(payload(1), expires)
			waitUntil(expires)
			if c.deletesUnchanged() {
				c.wantErr("DeleteUnchanged of an expired session", c.deleteUnchanged(deleted, rec), session.ErrGone)
			}
			for _, o := range all {
				o.rec.Data = payload(2)
				o.rec.Expires = inSeconds(3600)
				newToken, err := o.op.write(o.token, o.rec)
				if c.f.Revocable {
					c.wantErr(o.op.name+" of an expired session", err, session.ErrGone)
					c.wantDead("an expired session after "+o.op.name, o.token)
				} else if err != nil {
					c.Errorf("%s of an expired session gave %v, want success without Revocable", o.op.name, err)
				} else {
					c.wantData("an expired session after "+o.op.name+", without Revocable", newToken, payload(2))
				}
			}
			if err := c.delete(deleted); err != nil {
				c.Errorf("Delete of an expired session: %v", err)
			}
		},
	},
	{
		name: "what cannot be revoked ends when it expires",
		rule: "The only end of a token in a store that is not Revocable is its expiry: it must not be moved by what " +
			"happens to the session under other tokens.",
		waits: true,
		run: func(c *check) {
			if c.f.Revocable {
				return
			}
			expires := soon()
			for _, op := range []writer{{"Save", c.save}, {"Renew", c.renew},
				{"Delete", func(token string, _ *session.Record) (string, error) { return "", c.delete(token) }}} {
				token, rec := c.create(payload(1), expires)
				rec.Data = payload(2)
				rec.Expires = inSeconds(3600)
				if _, err := op.write(token, rec); err != nil {
					c.Errorf("%s: %v", op.name, err)
				}
				if c.f.StableToken && op.name == "Save" {
					continue
				}
				c.wantAlive("the old token after "+op.name, token, payload(1), expires)
				defer c.wantDead("the old token after "+op.name+", when it expires", token)
			}
			waitUntil(expires)
		},
	},
}

var touchCases = []testCase{
	{
		name: "Touch moves the expiry and nothing else",
		rule: "After Touch the session has the new expiry, be it later or earlier, the same token and the same " +
			"data, whatever data is in the record. The record can be saved afterwards.",
		waits: true,
		run: func(c *check) {
			if !c.touches() {
				return
			}
			short, long := soon(), inSeconds(3600)
			longer, rec := c.create(payload(1), short)
			rec.Expires = long
			if err := c.touch(longer, rec); err != nil {
				c.Fatalf("Touch: %v", err)
			}
			if got := c.mustLoad(longer).Expires; !got.Equal(long) {
				c.Errorf("after Touch the session expires at %v, want %v", got, long)
			}
			shorter, early := c.create(payload(2), long)
			early.Expires = short
			early.Data = payload(3)
			if err := c.touch(shorter, early); err != nil {
				c.Fatalf("Touch: %v", err)
			}
			c.wantAlive("after Touch with a record whose data was changed", shorter, payload(2), short)

			waitUntil(short)
			c.wantData("after Touch with a later expiry", longer, payload(1))
			c.wantDead("after Touch with an earlier expiry", shorter)

			rec.Data = payload(4)
			c.wantData("after Save of a record that was touched", c.mustSave(longer, rec), payload(4))
		},
	},
	{
		name: "a session can be touched again and again",
		rule: "Touch updates the record's Version, so that the same record can be touched and saved again.",
		run: func(c *check) {
			if !c.touches() {
				return
			}
			token, rec := c.create(payload(1), inSeconds(3600))
			for i := range 5 {
				rec.Expires = inSeconds(3600 + i)
				if err := c.touch(token, rec); err != nil {
					c.Fatalf("Touch: %v", err)
				}
			}
			if _, err := c.renew(token, rec); err != nil {
				c.Errorf("Renew of a record that was touched: %v", err)
			}
		},
	},
	{
		name: "what cannot be done for a session leaves it as it is",
		rule: "A store that can touch only some sessions, or delete only some on condition, does it or gives " +
			"errors.ErrUnsupported and has done nothing: the middleware then saves, or deletes.",
		run: func(c *check) {
			if toucher, ok := c.store.(session.Toucher); ok && !c.touches() {
				token, rec := c.create(payload(1), inSeconds(3600))
				before := rec.Expires
				rec.Expires = inSeconds(7200)
				err := toucher.Touch(c.ctx, token, rec)
				want := rec.Expires
				if err != nil {
					c.wantErr("Touch of a session that cannot be touched", err, errors.ErrUnsupported)
					want = before
				}
				if loaded := c.mustLoad(token); !loaded.Expires.Equal(want) {
					c.Errorf("after Touch, which gave the error %v, the session expires at %v, want %v", err,
						loaded.Expires, want)
				}
				c.wantData("after Touch and Save", c.mustSave(token, rec), payload(1))
			}
			if deleter, ok := c.store.(session.UnchangedDeleter); ok && !c.deletesUnchanged() {
				token, rec := c.create(payload(1), inSeconds(3600))
				if err := deleter.DeleteUnchanged(c.ctx, token, rec); err != nil {
					c.wantErr("DeleteUnchanged of a session that cannot be deleted so", err, errors.ErrUnsupported)
					c.wantData("after DeleteUnchanged without support", token, payload(1))
				} else if c.f.Revocable {
					c.wantDead("after DeleteUnchanged", token)
				}
			}
		},
	},
	{
		name: "Touch by another request loses nothing",
		rule: "A session that another request touched has the same data as before: Save of a record loaded before " +
			"that may succeed or give session.ErrConflict, and what it then holds is what was saved or what was there.",
		run: func(c *check) {
			if !c.touches() {
				return
			}
			for _, op := range c.writers() {
				token, _ := c.create(payload(1), inSeconds(3600))
				mine, theirs := c.mustLoad(token), c.mustLoad(token)
				theirs.Expires = inSeconds(7200)
				if err := c.touch(token, theirs); err != nil {
					c.Fatalf("Touch: %v", err)
				}
				want := payload(1)
				if op.name != "Touch" {
					mine.Data = payload(2)
				}
				newToken, err := op.write(token, mine)
				if err != nil {
					c.wantErr(op.name+" after Touch by another request", err, session.ErrConflict)
					newToken = token
				} else {
					want = mine.Data
				}
				c.wantData("after Touch by another request and "+op.name, newToken, want)
			}
		},
	},
}

var cleanupCases = []testCase{
	{
		name: "DeleteExpired deletes what is expired and nothing else",
		rule: "DeleteExpired returns the number of sessions that it deleted: all that are expired and still there. " +
			"Live sessions stay as they are.",
		waits: true,
		run: func(c *check) {
			if !c.cleans() {
				return
			}
			short := soon()
			const expired = 7
			var dead, live []string
			for i := range expired {
				token, _ := c.create(payload(i), short)
				dead = append(dead, token)
			}
			for i := range 5 {
				token, _ := c.create(payload(i), inSeconds(3600))
				live = append(live, token)
			}
			deleted, _ := c.create(payload(1), short)
			if err := c.delete(deleted); err != nil {
				c.Fatalf("Delete: %v", err)
			}
			saved, rec := c.create(payload(6), short)
			rec.Expires = inSeconds(3600)
			live = append(live, c.mustSave(saved, rec))
			renewed, rec := c.create(payload(7), short)
			renewed, err := c.renew(renewed, rec)
			if err != nil {
				c.Fatalf("Renew: %v", err)
			}
			dead = append(dead, renewed)

			early, err := c.deleteExpired()
			if err != nil {
				c.Fatalf("DeleteExpired: %v", err)
			}
			if time.Now().Before(short) && early != 0 {
				c.Errorf("DeleteExpired deleted %d sessions before any was expired", early)
			}
			waitUntil(short)
			n, err := c.deleteExpired()
			if err != nil {
				c.Fatalf("DeleteExpired: %v", err)
			}
			if c.f.StableToken && early+n != int64(len(dead)) {
				c.Errorf("DeleteExpired deleted %d sessions, want %d", early+n, len(dead))
			}
			for _, token := range dead {
				c.wantDead("an expired session after DeleteExpired", token)
			}
			for i, token := range live {
				if i < 5 {
					c.wantData("a live session after DeleteExpired", token, payload(i))
				} else {
					c.wantData("a session that Save kept alive, after DeleteExpired", token, payload(6))
				}
			}
			if n, err := c.deleteExpired(); n != 0 || err != nil {
				c.Errorf("DeleteExpired once more: %d sessions, error %v; want 0 and none", n, err)
			}
		},
	},
	{
		name: "DeleteExpired stops when its context ends",
		rule: "With a context that is done DeleteExpired returns the context's error and the number of sessions " +
			"that it did delete; the rest is there for the next one.",
		waits: true,
		run: func(c *check) {
			if !c.cleans() || c.f.IgnoresContext {
				return
			}
			short := soon()
			const expired = 5
			for i := range expired {
				c.create(payload(i), short)
			}
			waitUntil(short)
			ctx, cancel := context.WithCancel(c.ctx)
			cancel()
			stopped, err := c.with(ctx).deleteExpired()
			c.wantErr("DeleteExpired with a cancelled context", err, context.Canceled)
			rest, err := c.deleteExpired()
			if err != nil {
				c.Fatalf("DeleteExpired: %v", err)
			}
			if c.f.StableToken && stopped+rest != expired {
				c.Errorf("DeleteExpired deleted %d sessions when it was stopped and %d afterwards, want %d in all",
					stopped, rest, expired)
			}
		},
	},
	{
		name: "two DeleteExpired at once share the work",
		rule: "DeleteExpired may run on several machines at once: each expired session is counted once, and none of " +
			"the calls fails.",
		waits: true,
		run: func(c *check) {
			if !c.cleans() {
				return
			}
			short := soon()
			const expired = 40
			for i := range expired {
				c.create(payload(i), short)
			}
			live, _ := c.create(payload(1), inSeconds(3600))
			waitUntil(short)
			counts := make([]int64, 4)
			c.parallel(len(counts), func(i int) {
				n, err := c.deleteExpired()
				if err != nil {
					c.Errorf("DeleteExpired beside others: %v", err)
				}
				counts[i] = n
			})
			var sum int64
			for _, n := range counts {
				sum += n
			}
			if c.f.StableToken && sum != expired {
				c.Errorf("%d DeleteExpired at once deleted %v sessions, want %d in all", len(counts), counts, expired)
			}
			c.wantData("a live session after DeleteExpired", live, payload(1))
		},
	},
}
