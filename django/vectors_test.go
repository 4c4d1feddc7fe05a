package django_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// A vector is a file in testdata/vectors: headers, a blank line, and what was
// signed. testdata/make_vectors.py and TestVectors tell what the headers mean.
// Vectors are added, and never changed: what was readable once remains so.
type vector struct {
	name    string
	headers map[string]string
	payload string
}

// vectorHeaders are all headers that there are, and whether each vector has to
// have them.
var vectorHeaders = map[string]bool{
	"comment":    false,
	"format":     true,  // cookie, row, or hash: an _auth_user_hash
	"django":     false, // the version of Django that signed it; none if this package did
	"secret":     true,
	"fallback":   false, // Options.Fallbacks
	"read-sha1":  false, // yes: Options.ReadSHA1
	"cookie-age": false, // Options.CookieAge, in seconds
	"time-zone":  false, // Options.TimeZone
	"now":        true,  // Unix time
	"expires":    false, // of a cookie: Unix time
	"password":   false, // of a hash: the password hash that it is made of
	"session":    false, // the session, byte for byte
	"expect":     true,  // success, or what keeps it from being read
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	var all []vector
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{name: strings.TrimSuffix(filepath.Base(file), ".txt"), headers: make(map[string]string)}
		head, payload, ok := strings.Cut(string(content), "\n\n")
		if !ok {
			t.Fatalf("%s has no blank line", file)
		}
		v.payload = strings.TrimSuffix(payload, "\n")
		for line := range strings.SplitSeq(head, "\n") {
			name, value, ok := strings.Cut(line, ": ")
			if _, known := vectorHeaders[name]; !ok || !known || v.headers[name] != "" {
				t.Fatalf("%s: unknown or repeated header %q", file, line)
			}
			v.headers[name] = value
		}
		for name, needed := range vectorHeaders {
			if needed && v.headers[name] == "" {
				t.Fatalf("%s has no header %q", file, name)
			}
		}
		all = append(all, v)
	}
	return all
}

func (v *vector) number(t *testing.T, header string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(v.headers[header], 10, 64)
	if err != nil {
		t.Fatalf("header %q: %v", header, err)
	}
	return n
}

func (v *vector) options(t *testing.T) (opts django.Options) {
	t.Helper()
	if key := v.headers["fallback"]; key != "" {
		opts.Fallbacks = []string{key}
	}
	opts.ReadSHA1 = v.headers["read-sha1"] == "yes"
	if v.headers["cookie-age"] != "" {
		opts.CookieAge = time.Duration(v.number(t, "cookie-age")) * time.Second
	}
	if name := v.headers["time-zone"]; name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		opts.TimeZone = zone
	}
	return opts
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(v.number(t, "now"), 0)))
				switch format := v.headers["format"]; format {
				case "cookie":
					v.testCookie(t)
				case "row":
					v.testRow(t)
				case "hash":
					v.testHash(t)
				default:
					t.Fatalf("unknown format %q", format)
				}
			})
		})
	}
}

func (v *vector) testCookie(t *testing.T) {
	store, err := django.NewCookieStore(v.headers["secret"], v.options(t))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := store.Load(t.Context(), v.payload)
	v.check(t, rec, err)
	if err == nil && rec.Expires.Unix() != v.number(t, "expires") {
		t.Errorf("expires at %d, want %s", rec.Expires.Unix(), v.headers["expires"])
	}
}

func (v *vector) testRow(t *testing.T) {
	opts, err := django.Rows(v.headers["secret"], v.options(t))
	if err != nil {
		t.Fatal(err)
	}
	data, err := opts.Encoding.Decode(v.payload)
	v.check(t, &session.Record{Data: data}, err)
}

func (v *vector) check(t *testing.T, rec *session.Record, err error) {
	t.Helper()
	switch expect := v.headers["expect"]; expect {
	case "success":
		if err != nil {
			t.Fatalf("%v, want success", err)
		}
		if string(rec.Data) != v.headers["session"] {
			t.Errorf("got  %q\nwant %q", rec.Data, v.headers["session"])
		}
	case "expired":
		if !errors.Is(err, session.ErrExpired) {
			t.Errorf("%v, want session.ErrExpired", err)
		}
	case "invalid token":
		if err != session.ErrInvalidToken {
			t.Errorf("%v, want session.ErrInvalidToken as it is", err)
		}
	case "pickle":
		if !errors.Is(err, session.ErrInvalidToken) || !strings.Contains(err.Error(), "PickleSerializer") {
			t.Errorf("%v, want session.ErrInvalidToken and the reason", err)
		}
	default:
		t.Fatalf("unknown expectation %q", expect)
	}
}

func (v *vector) testHash(t *testing.T) {
	auth, err := django.NewAuth(v.headers["secret"], v.options(t))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, sessiontest.NewMemory(), session.Options{})
	const hashKey = "_auth_user_hash"
	before := s.visit("", func(s *session.Session) { s.Set(hashKey, v.payload) })
	var ok bool
	var after string
	token := s.visit(before, func(s *session.Session) {
		ok = auth.Verify(s, v.headers["password"])
		after, _ = session.Get[string](s, hashKey)
	})
	got := "invalid"
	switch {
	case ok && token == before && after == v.payload:
		got = "success"
	case ok && token != before && after != v.payload:
		got = "renewed"
	case ok || token != before || after != v.payload:
		got = "something else"
	}
	if got != v.headers["expect"] {
		t.Errorf("%s, want %s", got, v.headers["expect"])
	}
}

// TestDjangoReadsTheVectors holds the vectors against Django: what they promise
// is what Django itself does, apart from what the package documentation says.
func TestDjangoReadsTheVectors(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		for _, v := range readVectors(t) {
			if v.headers["fallback"] != "" && strings.HasPrefix(p.version, "3.") {
				continue // it has no SECRET_KEY_FALLBACKS
			}
			if v.headers["read-sha1"] != "" && !strings.HasPrefix(p.version, "3.") {
				continue // it reads none
			}
			age := "1209600"
			if v.headers["cookie-age"] != "" {
				age = v.headers["cookie-age"]
			}
			seconds, err := strconv.Atoi(age)
			if err != nil {
				t.Fatal(err)
			}
			p.do("change", ask{"SECRET_KEY": v.headers["secret"],
				"SECRET_KEY_FALLBACKS": []string{v.headers["fallback"]},
				"SESSION_COOKIE_AGE":   seconds, "USE_TZ": v.headers["time-zone"] == ""}, nil)
			p.do("set_time", ask{"now": v.number(t, "now")}, nil)
			success := v.headers["expect"] == "success"
			var got stored
			switch v.headers["format"] {
			case "cookie":
				got = p.read(cookies, v.payload, v.headers["session"])
			case "row":
				p.do("decode_row", ask{"data": v.payload, "expect": v.headers["session"]}, &got)
			case "hash":
				var answer struct{ Hash string }
				p.do("user_hash", ask{"password": v.headers["password"]}, &answer)
				if (answer.Hash == v.payload) != success {
					t.Errorf("%s: Django's hash is the same: %v", v.name, !success)
				}
				continue
			}
			// A session that Django refuses is an empty one.
			success = success && v.headers["session"] != "{}"
			if why := lenient[v.name]; why != "" && (strings.HasPrefix(p.version, "3.") ||
				!strings.Contains(why, "3.2")) {
				if got.Empty {
					t.Errorf("%s: Django does not differ in that %s", v.name, why)
				}
			} else if got.Empty == success {
				t.Errorf("%s: Django reads %q", v.name, got.Session)
				// where Django has NaN, we have null
			} else if success && !got.Equal && v.headers["time-zone"] == "" && v.name != "cookie-utf-8" &&
				v.name != "cookie-not-a-number" {
				t.Errorf("%s:\ngot  %q\nwant %q", v.name, got.Session, v.headers["session"])
			}
		}
	})
}

// lenient is what Django reads and this package does not.
var lenient = map[string]string{
	"cookie-over":                  "it takes the last moment of a session's life as part of it",
	"cookie-expiry-over":           "it does not look at the session's own expiry (ticket 27775)",
	"cookie-expiry-negative":       "it does not look at the session's own expiry (ticket 27775)",
	"cookie-expiry-time-over":      "it does not look at the session's own expiry (ticket 27775)",
	"cookie-sha1-not-asked-for":    "Django 3.2 still reads SHA-1",
	"row-before-3.1-not-asked-for": "Django 3.2 still reads SHA-1",
}
