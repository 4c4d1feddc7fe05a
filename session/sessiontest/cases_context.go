package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"sessionengine/session"
)

var contextCases = []testCase{
	{
		name: "a context that is done ends the call without an effect",
		rule: "With a context that was cancelled, or whose deadline has passed, a store gives the context's error, " +
			"wrapped or not, and has done nothing. A store that declares IgnoresContext does its work.",
		run: func(c *check) {
			cancelled, cancel := context.WithCancel(c.ctx)
			cancel()
			late, cancelLate := context.WithDeadline(c.ctx, time.Now().Add(-time.Second))
			defer cancelLate()
			for _, over := range []context.Context{cancelled, late} {
				oc := c.with(over)
				want := func(call string, err error) {
					switch {
					case c.f.IgnoresContext && err != nil:
						c.Errorf("%s with a context that is done gave %v, want success with IgnoresContext", call, err)
					case !c.f.IgnoresContext && !errors.Is(err, over.Err()):
						c.Errorf("%s with a context that is done gave %v, want %v", call, err, over.Err())
					case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrGone):
						c.Errorf("%s with a context that is done gave %v, which logs the visitor out", call, err)
					}
				}
				_, err := oc.save("", record(payload(1)))
				want("Save of a new session", err)
				for _, op := range oc.writers() {
					token, rec := c.create(payload(1), inSeconds(3600))
					rec.Data = payload(2)
					_, err := op.write(token, rec)
					want(op.name, err)
					if err != nil {
						c.wantData("after "+op.name+" with a context that is done", token, payload(1))
						c.wantData("after Save of the same record", c.mustSave(token, rec), payload(2))
					}
				}
				token, _ := c.create(payload(1), inSeconds(3600))
				_, err = oc.load(token)
				want("Load", err)
				err = oc.delete(token)
				want("Delete", err)
				if err != nil {
					c.wantData("after Delete with a context that is done", token, payload(1))
				}
				if c.deletesUnchanged() {
					token, rec := c.create(payload(1), inSeconds(3600))
					err = oc.deleteUnchanged(token, rec)
					want("DeleteUnchanged", err)
					if err != nil {
						c.wantData("after DeleteUnchanged with a context that is done", token, payload(1))
					}
				}
			}
		},
	},
}

var sizeCases = []testCase{
	{
		name: "a record of 1 MiB is stored or refused with its size",
		rule: "A store without a limit takes 1 MiB. One with MaxBytes refuses it with a *session.TooLargeError that " +
			"tells the size and a limit, " +
			"MaxBytes or a greater one of the session as it comes, and has stored nothing.",
		run: func(c *check) {
			if c.f.MaxBytes != 0 {
				token, rec := c.create(payload(1), inSeconds(3600))
				_, err := c.save("", record(noise(1<<20)))
				c.wantTooLarge("Save of a new session", err)
				for _, op := range c.writers()[:2] {
					large := *rec
					large.Data = noise(1 << 20)
					_, err := op.write(token, &large)
					c.wantTooLarge(op.name, err)
					c.wantData("after "+op.name+" of too much", token, payload(1))
				}
				rec.Data = payload(2)
				c.wantData("after Save of less", c.mustSave(token, rec), payload(2))
				return
			}
			data := noise(1 << 20)
			token, rec := c.create(data, inSeconds(3600))
			c.wantData("after Save of 1 MiB", token, data)
			rec.Data = payload(1)
			token = c.mustSave(token, rec)
			c.wantData("after Save of less", token, payload(1))
			rec.Data = data
			token, err := c.renew(token, rec)
			if err != nil {
				c.Fatalf("Renew with 1 MiB: %v", err)
			}
			c.wantData("after Renew with 1 MiB", token, data)
		},
	},
	{
		name: "the limit is a sharp one",
		rule: "There is a size up to which every record is stored and loaded back whole, and from which on it is " +
			"refused: nothing is cut off, and a token that Save gave is good.",
		run: func(c *check) {
			if c.f.MaxBytes == 0 {
				return
			}
			all := noise(c.f.MaxBytes + 64)
			fits := func(n int) bool {
				data := bytes.Clone(all[:n])
				copy(data[n-2:], `"}`)
				token, err := c.save("", record(data))
				if err != nil {
					if tooLarge := c.wantTooLarge("Save of a new session", err); tooLarge != nil &&
						tooLarge.Limit != c.f.MaxBytes {
						c.Errorf("Save told of a limit of %d bytes, want MaxBytes, which is %d", tooLarge.Limit,
							c.f.MaxBytes)
					}
					return false
				}
				c.wantData("a session below the limit", token, data)
				return true
			}
			low, high := 32, len(all)
			if !fits(low) {
				c.Fatalf("a session of %d bytes does not fit", low)
			}
			if fits(high) {
				c.Fatalf("%d bytes that cannot be compressed fit into a limit of %d", high, c.f.MaxBytes)
			}
			for low+1 < high {
				if mid := (low + high) / 2; fits(mid) {
					low = mid
				} else {
					high = mid
				}
			}
			// A few bytes more or less may still go either way: padding and
			// compression do not grow by one with each byte.
			const slack = 32
			for n := max(32, low-2*slack); n < low-slack; n++ {
				if !fits(n) {
					c.Errorf("a session of %d bytes is refused, and one of %d bytes is stored", n, low)
				}
			}
			for n := high + slack; n < min(high+2*slack, len(all)); n++ {
				if fits(n) {
					c.Errorf("a session of %d bytes is stored, and one of %d bytes is refused", n, high)
				}
			}
		},
	},
}

// wantTooLarge returns the error as what it should be, or nil if it is not.
func (c *check) wantTooLarge(call string, err error) *session.TooLargeError {
	c.Helper()
	tooLarge, ok := errors.AsType[*session.TooLargeError](err)
	if !ok {
		c.Errorf("%s of too much gave %v, want a *session.TooLargeError", call, err)
		return nil
	}
	if tooLarge.Limit < c.f.MaxBytes {
		c.Errorf("%s of too much told of a limit of %d bytes, want at least MaxBytes, which is %d", call,
			tooLarge.Limit, c.f.MaxBytes)
	}
	if tooLarge.Size <= tooLarge.Limit {
		c.Errorf("%s of too much told of %d bytes, which a limit of %d does not refuse", call, tooLarge.Size,
			tooLarge.Limit)
	}
	return tooLarge
}

// noise is a JSON object of n bytes that can hardly be compressed below three
// quarters of them.
func noise(n int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(`{"` + marker + `":"`)
	for b.Len() < n-2 {
		b.WriteByte(alphabet[random.IntN(len(alphabet))])
	}
	b.WriteString(`"}`)
	return []byte(b.String())
}
