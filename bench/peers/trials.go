package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// trials are the rows of the matrix. The verdict is whether nothing is lost that
// a handler has set, nothing is there that should be gone, and nobody gets what is
// another visitor's; a site may have reasons to do without some of it.
var trials = []trial{
	{"parallel writers", "50 requests of a visitor at the same time set a key each", parallelWriters},
	{"replay after logout", "a copy of the cookie is sent after the logout", replay},
	{"old cookie", "a value is changed, and the cookie from before is sent", rollback},
	{"resurrection",
		"a visitor logs out while another request of theirs is running that changes the session", resurrection},
	{"expiry of its own", "a session is set to expire after a second, and its cookie is sent after two", ownExpiry},
	{"flush first", "the session is changed, and the response flushed before anything is written, as server-sent " +
		"events begin", flushFirst},
	{"early hints", "a response 103, then the session is changed, then the response", earlyHints},
	{"late change", "the session is changed after the response has begun", lateChange},
	{"failing store", "the store cannot save the session that a handler changed", failingStore},
	{"500 after a change", "a handler changes the session, and answers 500", errorAnswer},
	{"tampered cookie", "a character of the cookie is changed", tampered},
	{"damaged session", "what the store has of the session cannot be read", damaged},
	{"chosen token", "a visitor makes up a cookie, and the session is changed", chosenToken},
	{"large session", "64 kB of random text are put into the session", largeSession},
	{"cookie limit", "sessions of growing size, until one is refused or exceeds 4096 bytes", browserLimit},
	{"decompression bomb", "a cookie that was signed, of a session of a megabyte and a half", bomb},
	{"Vary", "a page that depends on the session is read", vary},
	{"shared caches", "a response sets the cookie", caching},
	{"cookie attributes", "the cookie as it is by default", attributes},
}

// bodyOf is what the handlers of trials answer.
const bodyOf = "the body of the handler"

// store is a page that sets a key and saves.
func store(key, value string) page {
	return func(w http.ResponseWriter, _ *http.Request, v visit) {
		v.set(key, value)
		if err := v.save(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, bodyOf)
	}
}

// show is a page that answers with a key.
func show(key string) page {
	return func(w http.ResponseWriter, _ *http.Request, v visit) { fmt.Fprint(w, v.get(key)) }
}

func logout(_ http.ResponseWriter, _ *http.Request, v visit) {
	v.logout()
	v.save()
}

// login starts the site, with more pages than those to set and show a key, and
// returns its address and a visitor with a session.
func (b *stage) login(more map[string]page) (site string, visitor *browser, err error) {
	pages := map[string]page{"/set": store("key", "old"), "/show": show("key"), "/logout": logout}
	maps.Copy(pages, more)
	site = b.serve(pages)
	visitor = new(browser)
	res, err := visitor.get(b.ctx, site+"/set")
	if err == nil && (res.status != http.StatusOK || visitor.cookie == "") {
		err = fmt.Errorf("a new session: status %d, cookie %v", res.status, visitor.cookie != "")
	}
	return site, visitor, err
}

// shown returns what the page shows with the cookie.
func (b *stage) shown(site, cookie string) (string, error) {
	res, err := get(b.ctx, site+"/show", cookie)
	if err != nil {
		return "", err
	}
	if res.status != http.StatusOK {
		return fmt.Sprint("status ", res.status), nil
	}
	return res.body, nil
}

func is(ok bool) verdict {
	if ok {
		return good
	}
	return bad
}

func parallelWriters(b *stage) (verdict, string, error) {
	const writers = 50
	var together sync.WaitGroup // all have changed the session before one saves it
	together.Add(writers)
	site, visitor, err := b.login(map[string]page{
		"/write": func(w http.ResponseWriter, r *http.Request, v visit) {
			v.set(r.FormValue("key"), "set")
			together.Done()
			together.Wait()
			v.save()
			fmt.Fprint(w, bodyOf)
		},
		"/count": func(w http.ResponseWriter, _ *http.Request, v visit) {
			n := 0
			for i := range writers {
				if v.get(fmt.Sprint("key", i)) == "set" {
					n++
				}
			}
			fmt.Fprint(w, n)
		},
	})
	if err != nil {
		return "", "", err
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			res, err := visitor.get(b.ctx, fmt.Sprintf("%s/write?key=key%d", site, i))
			if err == nil && res.status != http.StatusOK {
				err = fmt.Errorf("status %d", res.status)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return "", "", err
		}
	}
	res, err := visitor.get(b.ctx, site+"/count")
	if err != nil {
		return "", "", err
	}
	return is(res.body == fmt.Sprint(writers)), fmt.Sprintf("%s of %d keys are there", res.body, writers), nil
}

func replay(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	copied := visitor.cookie
	if _, err := visitor.get(b.ctx, site+"/logout"); err != nil {
		return "", "", err
	}
	if visitor.cookie != "" {
		return bad, "the cookie is still there", nil
	}
	got, err := b.shown(site, copied)
	if got == "old" {
		return bad, "the copy is still logged in", err
	}
	return is(got == ""), "the copy is nobody's", err
}

func rollback(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(map[string]page{"/change": store("key", "new")})
	if err != nil {
		return "", "", err
	}
	before := visitor.cookie
	if _, err := visitor.get(b.ctx, site+"/change"); err != nil {
		return "", "", err
	}
	got, err := b.shown(site, before)
	if got == "old" {
		return bad, "the old value is back", err
	}
	return is(got == "new" || got == ""), "the value is the new one", err
}

func resurrection(b *stage) (verdict, string, error) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	site, visitor, err := b.login(map[string]page{
		"/slow": func(w http.ResponseWriter, _ *http.Request, v visit) {
			v.set("key", "slow")
			close(begun)
			<-goOn
			if err := v.save(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, bodyOf)
		},
	})
	if err != nil {
		return "", "", err
	}
	copied := visitor.cookie
	var slow *response
	var slowErr error
	var wg sync.WaitGroup
	wg.Go(func() { slow, slowErr = visitor.get(b.ctx, site+"/slow") })
	<-begun
	_, err = visitor.get(b.ctx, site+"/logout")
	close(goOn)
	wg.Wait()
	if err == nil {
		err = slowErr
	}
	if err != nil {
		return "", "", err
	}
	status := fmt.Sprintf("the slow request got %d", slow.status)
	for who, cookie := range map[string]string{"the browser": visitor.cookie, "a copy of the cookie": copied} {
		got, err := b.shown(site, cookie)
		if err != nil {
			return "", "", err
		}
		if got != "" {
			return bad, fmt.Sprintf("%s, and %s is logged in again", status, who), nil
		}
	}
	return good, status + ", and nobody is logged in", nil
}

func ownExpiry(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(map[string]page{
		"/expire": func(w http.ResponseWriter, _ *http.Request, v visit) {
			v.set("key", "short")
			v.expireIn(time.Second)
			v.save()
			fmt.Fprint(w, bodyOf)
		},
	})
	if err != nil {
		return "", "", err
	}
	if _, err := visitor.get(b.ctx, site+"/expire"); err != nil {
		return "", "", err
	}
	if got, err := b.shown(site, visitor.cookie); err != nil || got != "short" {
		return bad, "the session expires at once", err
	}
	time.Sleep(2100 * time.Millisecond)
	got, err := b.shown(site, visitor.cookie)
	if got == "short" {
		return bad, "the cookie is accepted after two seconds", err
	}
	return is(got == ""), "the cookie is nobody's after two seconds", err
}

// comesBack requests a page as a new visitor, and reports whether the session that
// it makes is there in the next request.
func (b *stage) comesBack(p page) (verdict, string, *response, error) {
	site := b.serve(map[string]page{"/make": p, "/show": show("key")})
	visitor := new(browser)
	res, err := visitor.get(b.ctx, site+"/make")
	if err != nil {
		return "", "", nil, err
	}
	if visitor.cookie == "" {
		return bad, "no cookie: the session is lost", res, nil
	}
	got, err := b.shown(site, visitor.cookie)
	if err != nil {
		return "", "", nil, err
	}
	return is(got == "new"), "the session is there in the next request", res, nil
}

func flushFirst(b *stage) (verdict, string, error) {
	v, what, _, err := b.comesBack(func(w http.ResponseWriter, _ *http.Request, v visit) {
		v.set("key", "new")
		v.save()
		http.NewResponseController(w).Flush()
		fmt.Fprint(w, bodyOf)
	})
	return v, what, err
}

func earlyHints(b *stage) (verdict, string, error) {
	v, what, res, err := b.comesBack(func(w http.ResponseWriter, _ *http.Request, v visit) {
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
		v.set("key", "new")
		v.save()
		fmt.Fprint(w, bodyOf)
	})
	if err == nil && res.hints != 1 {
		return bad, "the hint did not arrive", nil
	}
	return v, what, err
}

func lateChange(b *stage) (verdict, string, error) {
	var told error
	site, visitor, err := b.login(map[string]page{
		"/late": func(w http.ResponseWriter, _ *http.Request, v visit) {
			fmt.Fprint(w, strings.Repeat("x", 10<<10)) // more than the server holds back
			v.set("key", "late")
			told = v.save()
		},
	})
	if err != nil {
		return "", "", err
	}
	if _, err := visitor.get(b.ctx, site+"/late"); err != nil {
		return "", "", err
	}
	got, err := b.shown(site, visitor.cookie)
	switch {
	case got == "late":
		return good, "saved", err
	case told != nil:
		return good, "lost, and an error tells so", err
	}
	if l, ok := b.app.(logger); ok && strings.Contains(l.logs(), "did not reach the client") {
		return good, "lost, and the log tells so", err
	}
	return bad, "lost, and nobody is told", err
}

func failingStore(b *stage) (verdict, string, error) {
	broken, ok := b.app.(breaker)
	if !ok {
		return nothing, "there is no store that could fail", nil
	}
	site, visitor, err := b.login(map[string]page{
		"/change": func(w http.ResponseWriter, _ *http.Request, v visit) {
			v.set("key", "new")
			if err := v.save(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, bodyOf)
		},
	})
	if err != nil {
		return "", "", err
	}
	broken.breakStore()
	res, err := visitor.get(b.ctx, site+"/change")
	if err != nil {
		return "", "", err
	}
	what := fmt.Sprintf("status %d", res.status)
	ok = res.status >= 500
	if strings.Contains(res.body, bodyOf) {
		ok = false
		what += ", and " + bodyOf + " after the error"
	} else {
		what += ", without " + bodyOf
	}
	if strings.Contains(b.logged.String(), "superfluous") {
		ok = false
		what += ", a superfluous WriteHeader"
	}
	return is(ok), what, nil
}

func errorAnswer(b *stage) (verdict, string, error) {
	if _, ok := b.app.(*gorillaApp); ok {
		return nothing, "the handler decides what it saves", nil
	}
	site, visitor, err := b.login(map[string]page{
		"/fail": func(w http.ResponseWriter, _ *http.Request, v visit) {
			v.set("key", "new")
			http.Error(w, "it failed", http.StatusInternalServerError)
		},
	})
	if err != nil {
		return "", "", err
	}
	if _, err := visitor.get(b.ctx, site+"/fail"); err != nil {
		return "", "", err
	}
	got, err := b.shown(site, visitor.cookie)
	if got == "new" {
		return bad, "the change is saved", err
	}
	return is(got == "old"), "the session is as before", err
}

func tampered(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	at := len(visitor.cookie) * 2 / 3
	changed := byte('A')
	if visitor.cookie[at] == changed {
		changed = 'B'
	}
	res, err := get(b.ctx, site+"/show", visitor.cookie[:at]+string(changed)+visitor.cookie[at+1:])
	if err != nil {
		return "", "", err
	}
	if res.body == "old" {
		return bad, "accepted", nil
	}
	what := fmt.Sprintf("status %d, an empty session", res.status)
	if _, ok := b.app.(*gorillaApp); ok {
		what += " (and an error, which the README ignores)"
	}
	return is(res.status == http.StatusOK), what, nil
}

func damaged(b *stage) (verdict, string, error) {
	c, ok := b.app.(corrupter)
	if !ok {
		return nothing, "nothing is stored that could be damaged", nil
	}
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	if err := c.corrupt(b.ctx, visitor.cookie); err != nil {
		return "", "", err
	}
	res, err := visitor.get(b.ctx, site+"/show")
	if err != nil {
		return "", "", err
	}
	if res.status != http.StatusOK {
		return bad, fmt.Sprintf("status %d for every request of the visitor", res.status), nil
	}
	return good, "an empty session", nil
}

func chosenToken(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	name, value, _ := strings.Cut(visitor.cookie, "=")
	chosen := name + "=" + strings.Repeat("a", len(value))
	attacked := &browser{cookie: chosen}
	if _, err := attacked.get(b.ctx, site+"/set"); err != nil {
		return "", "", err
	}
	if got, err := b.shown(site, chosen); err != nil || got != "" {
		return bad, "the made-up token is a session now", err
	}
	return good, "the session got a token of its own", nil
}

// random is text that does not compress.
func random(n int) string { return base64.RawStdEncoding.EncodeToString(randomBytes(n))[:n] }

// put stores n random characters as a new visitor.
func (b *stage) put(n int) (site string, text string, visitor *browser, res *response, err error) {
	text = random(n)
	site = b.serve(map[string]page{"/put": store("key", text), "/show": show("key")})
	visitor = new(browser)
	res, err = visitor.get(b.ctx, site+"/put")
	return site, text, visitor, res, err
}

func largeSession(b *stage) (verdict, string, error) {
	site, text, visitor, res, err := b.put(64 << 10)
	if err != nil {
		return "", "", err
	}
	if res.status >= 400 {
		without := is(!strings.Contains(res.body, bodyOf))
		return without, fmt.Sprintf("refused, with status %d", res.status), nil
	}
	got, err := b.shown(site, visitor.cookie)
	return is(got == text), "kept", err
}

func browserLimit(b *stage) (verdict, string, error) {
	// size is that of the cookie of a session with n random characters, or 0 if
	// the session is refused.
	size := func(n int) (int, error) {
		_, _, visitor, res, err := b.put(n)
		if err != nil || res.status >= 400 {
			return 0, err
		}
		name, value, _ := strings.Cut(visitor.cookie, "=")
		return len(name) + len(value), nil
	}
	small, err := size(100)
	if err != nil {
		return "", "", err
	}
	medium, err := size(1000)
	if err != nil || small == medium {
		return nothing, "the cookie is a key", err
	}
	largest := medium
	for n := 1000; ; n += 8 {
		now, err := size(n)
		switch {
		case err != nil:
			return "", "", err
		case now == 0:
			return good, fmt.Sprintf("the largest one has %d bytes", largest), nil
		case now > session.MaxCookieBytes:
			return bad, fmt.Sprintf("one of %d bytes is sent, which they drop", now), nil
		}
		largest = now
	}
}

func bomb(b *stage) (verdict, string, error) {
	c, ok := b.app.(compressor)
	if !ok {
		return nothing, "nothing is compressed", nil
	}
	const size = 3 << 19
	cookie, err := c.bomb(b.ctx, size)
	if err != nil {
		return "", "", err
	}
	site := b.serve(map[string]page{"/show": func(w http.ResponseWriter, _ *http.Request, v visit) {
		fmt.Fprint(w, len(v.get("key")))
	}})
	res, err := get(b.ctx, site+"/show", cookie)
	if err != nil {
		return "", "", err
	}
	if res.body != "0" {
		return bad, fmt.Sprintf("inflated to %s bytes", res.body), nil
	}
	return is(res.status == http.StatusOK), fmt.Sprintf("a cookie of %d bytes is refused", len(cookie)), nil
}

func vary(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	res, err := visitor.get(b.ctx, site+"/show")
	if err != nil {
		return "", "", err
	}
	if value := strings.Join(res.header.Values("Vary"), ", "); value != "" {
		return is(strings.Contains(value, "Cookie")), "Vary: " + value, nil
	}
	return bad, "no Vary: a cache may give the page to others", nil
}

func caching(b *stage) (verdict, string, error) {
	site, visitor, err := b.login(nil)
	if err != nil {
		return "", "", err
	}
	visitor.cookie = ""
	res, err := visitor.get(b.ctx, site+"/set")
	if err != nil {
		return "", "", err
	}
	value := strings.Join(res.header.Values("Cache-Control"), ", ")
	for _, word := range []string{"private", "no-store", "no-cache"} {
		if strings.Contains(value, word) {
			return good, "Cache-Control: " + value, nil
		}
	}
	return bad, "no Cache-Control: a cache may give the cookie to others", nil
}

func attributes(b *stage) (verdict, string, error) {
	site := b.serve(map[string]page{"/set": store("key", "old")})
	res, err := get(b.ctx, site+"/set", "")
	if err != nil {
		return "", "", err
	}
	_, set, _ := strings.Cut(strings.Join(res.header.Values("Set-Cookie"), "; "), "; ")
	ok := strings.Contains(set, "HttpOnly") && strings.Contains(set, "Secure") && strings.Contains(set, "SameSite=Lax")
	var kept []string
	for attribute := range strings.SplitSeq(set, "; ") {
		if !strings.HasPrefix(attribute, "Expires=") && !strings.HasPrefix(attribute, "Max-Age=") {
			kept = append(kept, attribute)
		}
	}
	return is(ok), strings.Join(kept, "; "), nil
}
