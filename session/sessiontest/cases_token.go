package sessiontest

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"sessionengine/session"
)

var featureCases = []testCase{
	{
		name: "the optional interfaces are those that are declared",
		rule: "Features say what a store can do; a store that loses an optional interface, in a wrapper for example, " +
			"loses what the middleware does with it.",
		run: func(c *check) {
			if _, ok := c.store.(session.Toucher); ok != c.f.Toucher {
				c.Errorf("the store is a session.Toucher: %v, declared: %v", ok, c.f.Toucher)
			}
			if _, ok := c.store.(session.UnchangedDeleter); ok != c.f.UnchangedDeleter {
				c.Errorf("the store is a session.UnchangedDeleter: %v, declared: %v", ok, c.f.UnchangedDeleter)
			}
			if _, ok := c.store.(session.ExpiredDeleter); ok != c.f.ExpiredDeleter {
				c.Errorf("the store is a session.ExpiredDeleter: %v, declared: %v", ok, c.f.ExpiredDeleter)
			}
			_, err := session.EndSessions(c.ctx, c.store, "nobody")
			if errors.Is(err, errors.ErrUnsupported) == c.f.OwnerEnder {
				c.Errorf("OwnerEnder is declared: %v, and EndSessions gave the error %v", c.f.OwnerEnder, err)
			}
			_, _, err = session.Sessions(c.ctx, c.store, "nobody", "", "", 0)
			if errors.Is(err, errors.ErrUnsupported) == c.f.OwnerLister {
				c.Errorf("OwnerLister is declared: %v, and Sessions gave the error %v", c.f.OwnerLister, err)
			}
			_, err = session.EndAllSessions(c.ctx, c.store)
			if errors.Is(err, errors.ErrUnsupported) == c.f.AllEnder {
				c.Errorf("AllEnder is declared: %v, and EndAllSessions gave the error %v", c.f.AllEnder, err)
			}
			if got, ok := session.TraitsOf(c.store); ok {
				got.Readable = false // which only the engine knows
				// An engine may be careful, and say that it cannot end all that it may keep.
				want := session.Traits{Ends: c.f.Revocable && got.Ends, EndsOwners: c.f.OwnerEnder, ListsOwners: c.f.OwnerLister,
					EndsAll: c.f.AllEnder}
				if got != want {
					c.Errorf("Traits gave %+v, and the features that are declared mean %+v", got, want)
				}
			}
			if _, ok := c.store.(session.CookieNamer); !ok && c.f.CookieBound {
				c.Errorf("CookieBound is declared, and the store is not a session.CookieNamer")
			}
		},
	},
	{
		name: "a store bound to a cookie name is a store of its own",
		rule: "ForCookie returns a store for that name and leaves the receiver as it is. With CookieBound a token " +
			"moved to another cookie is worth nothing; without it the token is the same session everywhere, and a " +
			"second name may be refused.",
		run: func(c *check) {
			namer, ok := c.store.(session.CookieNamer)
			if !ok {
				return
			}
			before, _ := c.create(payload(1), inSeconds(3600))
			one, err := namer.ForCookie("one")
			if err != nil {
				c.Fatalf("ForCookie: %v", err)
			}
			two, err := namer.ForCookie("two")
			if err != nil && !c.f.CookieBound {
				return
			}
			if err != nil {
				c.Fatalf("ForCookie: %v", err)
			}
			c.wantData("after ForCookie, through the receiver", before, payload(1))

			token, _ := c.on(one).create(payload(2), inSeconds(3600))
			c.on(one).wantData("under its own cookie name", token, payload(2))
			if c.f.CookieBound {
				c.on(two).wantDead("a token under another cookie name", token)
			} else {
				c.on(two).wantData("a token under another cookie name", token, payload(2))
			}
		},
	},
	{
		name: "after Close there are errors and no logouts",
		rule: "A store that implements io.Closer gives session.ErrClosed after its Close: not session.ErrNotFound, " +
			"which would log the visitor out.",
		run: func(c *check) {
			closer, ok := c.store.(io.Closer)
			if !ok {
				return
			}
			token, rec := c.create(payload(1), inSeconds(3600))
			if err := closer.Close(); err != nil {
				c.Fatalf("Close: %v", err)
			}
			_, err := c.load(token)
			c.wantErr("Load after Close", err, session.ErrClosed)
			_, err = c.save(token, rec)
			c.wantErr("Save after Close", err, session.ErrClosed)
			_, err = c.save("", record(payload(2)))
			c.wantErr("Save of a new session after Close", err, session.ErrClosed)
			_, err = c.renew(token, rec)
			c.wantErr("Renew after Close", err, session.ErrClosed)
			c.wantErr("Delete after Close", c.delete(token), session.ErrClosed)
			if c.touches() {
				c.wantErr("Touch after Close", c.touch(token, rec), session.ErrClosed)
			}
			if c.deletesUnchanged() {
				c.wantErr("DeleteUnchanged after Close", c.deleteUnchanged(token, rec), session.ErrClosed)
			}
			if c.cleans() {
				_, err = c.deleteExpired()
				c.wantErr("DeleteExpired after Close", err, session.ErrClosed)
			}
		},
	},
}

var tokenCases = []testCase{
	{
		name: "a token that was never issued stands for nothing",
		rule: "Load gives an error that matches session.ErrNotFound for a token that is empty, unknown, malformed or " +
			"very long. Whatever a client sends is no system failure.",
		run: func(c *check) {
			c.create(payload(1), inSeconds(3600))
			for _, g := range garbage {
				c.wantDead(g.what, g.token)
			}
		},
	},
	{
		name: "a token that was tampered with stands for nothing",
		rule: "A token is compared exactly: with any byte changed, in its letter case too, cut off, added, or " +
			"repeated it is another token, and one that was never issued.",
		run: func(c *check) {
			token, _ := c.create(payload(1), inSeconds(3600))
			for what, forged := range tampered(token) {
				rec, err := c.load(forged)
				if err == nil {
					c.Errorf("%s: Load gave a record of %d bytes, want an error that matches session.ErrNotFound", what,
						len(rec.Data))
				} else if !errors.Is(err, session.ErrNotFound) {
					c.Errorf("%s: Load gave %v, want an error that matches session.ErrNotFound", what, err)
				}
			}
			c.wantData("after all the forgeries", token, payload(1))
		},
	},
	{
		name: "each session has a token of its own",
		rule: "Save with an empty token makes a fresh token every time, also for the same data where the store can " +
			"tell sessions apart, and a session under one token has nothing to do with that under another.",
		run: func(c *check) {
			seen := make(map[string]bool)
			var tokens []string
			for i := range 100 {
				// Where a token is nothing but the session's content, equal
				// sessions may have equal tokens: nothing could tell them apart.
				n := i
				if c.f.Revocable || c.f.StableToken {
					n = 1
				}
				token, _ := c.create(payload(n), inSeconds(3600))
				if seen[token] {
					c.Fatalf("two sessions were given one token")
				}
				seen[token] = true
				tokens = append(tokens, token)
			}
			untouched := c.mustLoad(tokens[2])
			rec := c.mustLoad(tokens[0])
			rec.Data = payload(200)
			first := c.mustSave(tokens[0], rec)
			if err := c.delete(tokens[1]); err != nil {
				c.Errorf("Delete: %v", err)
			}
			c.wantData("a session after its Save", first, payload(200))
			c.wantData("a session after Save and Delete of others", tokens[2], untouched.Data)
		},
	},
	{
		name: "a token is long enough and fit for a cookie",
		rule: "A token is at least 128 bits that nobody can guess, which are 22 characters in base64, and consists " +
			"of characters that RFC 6265, section 4.1.1, allows in a cookie's value without quotes.",
		run: func(c *check) {
			for i := range 20 {
				token, _ := c.create(payload(i), inSeconds(3600))
				if len(token) < 22 {
					c.Errorf("a token of %d characters", len(token))
				}
				if i := strings.IndexFunc(token, notCookieOctet); i >= 0 {
					c.Errorf("a token contains %q", token[i])
				}
			}
		},
	},
	{
		name: "a token that the client chose is never adopted",
		rule: "Save, Renew and Touch with a token that was never issued create nothing under it, whatever version " +
			"comes with it: otherwise an attacker plants a session whose token he knows.",
		run: func(c *check) {
			live, liveRec := c.create(payload(1), inSeconds(3600))
			chosen := append([]garbled{
				{"the mirror image of an issued token", reversed(live)},
				{"an issued token that is one character longer", live + "a"},
				{"an issued token in other letter case", swapCase(live)},
			}, garbage...)
			for _, g := range chosen {
				if g.token == "" || g.token == live {
					continue
				}
				for _, version := range []string{"", "0", "1", liveRec.Version} {
					for name, op := range map[string]func(string, *session.Record) (string, error){
						"Save": c.save, "Renew": c.renew,
					} {
						rec := record(payload(2))
						rec.Version = version
						newToken, err := op(g.token, rec)
						switch {
						case err == nil && c.f.Revocable:
							c.Errorf("%s with %s succeeded, want an error that matches session.ErrGone or "+
								"session.ErrNotFound", name, g.what)
						case err == nil && newToken == g.token:
							c.Errorf("%s with %s gave back that token", name, g.what)
						case err != nil && !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrNotFound):
							c.Errorf("%s with %s gave %v, want an error that matches session.ErrGone or "+
								"session.ErrNotFound", name, g.what, err)
						}
					}
					if c.touches() {
						rec := record(payload(2))
						rec.Version = version
						if err := c.touch(g.token, rec); !errors.Is(err, session.ErrGone) &&
							!errors.Is(err, session.ErrNotFound) {
							c.Errorf("Touch with %s gave %v, want an error that matches session.ErrGone or "+
								"session.ErrNotFound", g.what, err)
						}
					}
				}
				c.wantDead(g.what+", after Save and Renew", g.token)
			}
			c.wantData("the session that was there before", live, payload(1))
		},
	},
}

// garbled is a token that no store issued.
type garbled struct{ what, token string }

var garbage = []garbled{
	{"an empty token", ""},
	{"a token of one character", "x"},
	{"a token of 26 characters", "zq7vj2kx4wp9zq7vj2kx4wp9zq"},
	{"a token of 32 characters", "zq7vj2kx4wp9zq7vj2kx4wp9zq7vj2kx"},
	{"a token of 43 characters", "zq7vj2kx4wp9zq7vj2kx4wp9zq7vj2kx4wp9zq7vj2k"},
	{"a token of blanks", "      "},
	{"a token with a NUL byte", "zq7vj2kx\x00wp9zq7vj2kx4wp9zq7vj2kx"},
	{"a token that is not UTF-8", "zq7vj2kx\xff\xfe9zq7vj2kx4wp9zq7vj2kx"},
	{"a token in other scripts", "phiên-làm-việc-不-сессия-zq7vj2kx"},
	{"a token with SQL in it", "zq7vj2kx' OR '1'='1' --"},
	{"a token with wildcards", "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"},
	{"a token of base64", "enE3dmoya3g0d3A5enE3dmoya3g0d3A5enE3dmoya3g="},
	{"a token of 1 MiB", strings.Repeat("zq7vj2kx", 1<<17)},
}

// tampered returns variants of a token, each by what was done to it.
func tampered(token string) map[string]string {
	all := make(map[string]string)
	add := func(what, forged string) {
		if forged != token {
			all[what] = forged
		}
	}
	for i := range token {
		for _, mask := range []byte{0x01, 0x02, 0x20, 0x80, token[i]} {
			b := []byte(token)
			b[i] ^= mask
			add(fmt.Sprintf("byte %d of %d changed by %#02x", i, len(token), mask), string(b))
		}
		add(fmt.Sprintf("cut off after %d of %d bytes", i, len(token)), token[:i])
		if i > 0 {
			add(fmt.Sprintf("without its first %d of %d bytes", i, len(token)), token[i:])
		}
	}
	for _, more := range []string{"a", "A", "0", "=", "==", ".", "-", " ", "\t", "\n", "\r\n", "\x00", "%", "%00", ";",
		`"`, "é", "\xff"} {
		add(fmt.Sprintf("extended by %q", more), token+more)
		add(fmt.Sprintf("preceded by %q", more), more+token)
	}
	add("doubled", token+token)
	add("in quotes", `"`+token+`"`)
	add("in lower case", strings.ToLower(token))
	add("in upper case", strings.ToUpper(token))
	add("in other letter case", swapCase(token))
	add("reversed", reversed(token))
	return all
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func swapCase(s string) string {
	b := []byte(s)
	for i, ch := range b {
		if 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' {
			b[i] = ch ^ 0x20
		}
	}
	return string(b)
}

// notCookieOctet tells what RFC 6265, section 4.1.1, keeps out of a cookie's
// value.
func notCookieOctet(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\",;\\", r)
}
