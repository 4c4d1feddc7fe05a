package django_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

const oldKey = "the key before, and not the same"

// inAnHour is a record that lives for an hour.
func inAnHour(data string) *session.Record {
	return &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

func TestASecretKeyIsReplacedWithoutALogout(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		before := newPeer(t, d, ask{"secret": oldKey, "database": file})
		after := newPeer(t, d, ask{"database": file})
		opts := django.Options{Fallbacks: []string{"unrelated", oldKey}}
		for _, engine := range []string{cookies, rows} {
			s := newSite(t, open(t, engine, secretKey, file, opts), session.Options{})
			token := before.write(engine, `{"team":"red"}`, nil)
			if got := after.read(engine, token, ""); !got.Empty {
				t.Fatalf("%s: Django reads the old key's signature: %q", engine, got.Session)
			}
			token = s.visit(token, func(s *session.Session) {
				if team, _ := session.Get[string](s, "team"); team != "red" {
					t.Errorf("%s: team is %q", engine, team)
				}
				s.Set("n", 1)
			})
			if got := after.read(engine, token, `{"team":"red","n":1}`); !got.Equal {
				t.Errorf("%s: saved, and not signed with the new key: Django reads %q", engine, got.Session)
			}
			// A node that is not switched yet has been told the new key.
			token = after.write(engine, `{"team":"red"}`, nil)
			early := django.Options{Fallbacks: []string{secretKey}}
			if n := len(newSite(t, open(t, engine, oldKey, file, early), session.Options{}).entries(token)); n != 1 {
				t.Errorf("%s: the new key's signature is not read before the switch", engine)
			}
		}
	})
}

func TestWhatOldDjangoSignedIsReadOnRequest(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file, "algorithm": "sha1"})
		if !strings.HasPrefix(p.version, "3.") {
			t.Skipf("Django %s cannot write SHA-1", p.version)
		}
		const data = `{"tên":"Nguyễn","n":18446744073709551616,` +
			`"long":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`
		for _, engine := range []string{cookies, rows} {
			token := p.write(engine, data, nil)
			for _, ask := range []bool{false, true} {
				s := newSite(t, open(t, engine, secretKey, file, django.Options{ReadSHA1: ask}), session.Options{})
				if got := len(s.entries(token)); got != 3 && ask || got != 0 && !ask {
					t.Errorf("%s, ReadSHA1 %v: %d entries", engine, ask, got)
				}
				if !ask {
					continue
				}
				// What is written is in the present format.
				token = s.visit(token, func(s *session.Session) { s.Set("n", 1) })
				signed := token
				if engine == rows {
					var row struct{ Data string }
					p.do("raw_row", map[string]any{"key": token}, &row)
					signed = row.Data
				}
				if parts := strings.Split(signed, ":"); len(parts) != 3 || len(parts[2]) != 43 {
					t.Errorf("%s: saved as %q", engine, signed)
				}
			}
		}
	})
}

func TestPicklesAreRefusedAndSaidToBeSo(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file, "serializer": "PickleSerializer"})
		if !strings.HasPrefix(p.version, "3.") && !strings.HasPrefix(p.version, "4.") {
			t.Skipf("Django %s has no PickleSerializer", p.version)
		}
		for _, engine := range []string{cookies, rows} {
			store := open(t, engine, secretKey, file, django.Options{})
			for _, data := range []string{`{}`, `{"team":"red"}`, `{"long":"` + strings.Repeat("a", 300) + `"}`} {
				token := p.write(engine, data, nil)
				_, err := store.Load(t.Context(), token)
				if !errors.Is(err, session.ErrInvalidToken) || !strings.Contains(err.Error(), "PickleSerializer") ||
					!strings.Contains(err.Error(), "JSONSerializer") {
					t.Errorf("%s: %v, want session.ErrInvalidToken and what to do", engine, err)
				}
			}
		}
	})
}

func TestASerializerThatWritesUTF8IsUnderstood(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file, "serializer": "peer.UTF8Serializer"})
		s := newSite(t, open(t, engine, secretKey, file, django.Options{}), session.Options{})
		const data = `{"é":"Ã©ÿ\u0080 Nguyễn 🍪","n":18446744073709551616}`
		token := p.write(engine, data, nil)
		if got, want := decode(t, encode(t, s.entries(token))), decode(t, data); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		token = s.visit(token, func(s *session.Session) { s.Set("tên", "Ánh") })
		if got := p.read(engine, token, data[:len(data)-1]+`,"tên":"Ánh"}`); !got.Equal {
			t.Errorf("back at Django: %q", got.Session)
		}
	})
}

// sign returns a cookie, and a session_data, of any bytes, compressed or not.
func sign(content []byte, compressed bool) (cookie, row string) {
	body := base64.RawURLEncoding.EncodeToString(content)
	if compressed {
		body = "." + body
	}
	const timestamp = "1vb66i" // of 2026; rows do not care
	return django.SignCookie(secretKey, body, base62Now()), django.SignRow(secretKey, body, timestamp)
}

// base62Now is the time in base 62.
func base62Now() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var s string
	for n := time.Now().Unix(); n > 0; n /= 62 {
		s = digits[n%62:][:1] + s
	}
	return s
}

// bomb returns a zlib stream of n MiB of the same byte, with a wrong checksum:
// it is not worth its time, since nobody should get to it.
func bomb(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	megabyte := bytes.Repeat([]byte{'0'}, 1<<20)
	var ends [2]int
	for i := range ends {
		if _, err := w.Write(megabyte); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // up to a whole byte
			t.Fatal(err)
		}
		ends[i] = b.Len()
	}
	first, next := b.Bytes()[:ends[0]], b.Bytes()[ends[0]:ends[1]]
	stream := append([]byte{}, first...)
	for range n - 1 {
		stream = append(stream, next...)
	}
	return append(stream, 3, 0, 0, 0, 0, 0) // an empty last block
}

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestWhatASignedTextInflatesToIsBounded(t *testing.T) {
	// Buffers double while they grow.
	const limit, most = 1 << 20, 16 << 20
	opts, err := django.Rows(secretKey, django.Options{MaxBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	_, row := sign(bomb(t, 1024), true)
	if n := allocated(func() { _, err = opts.Encoding.Decode(row) }); n > most {
		t.Errorf("a row of 1 GiB: %d bytes allocated for a limit of %d", n, limit)
	}
	if !errors.Is(err, session.ErrInvalidToken) || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("a row of 1 GiB: %v, want session.ErrInvalidToken and the reason", err)
	}

	store := newCookieStore(t, django.Options{})
	cookie, _ := sign(bomb(t, 10), true)
	if n := allocated(func() { _, err = store.Load(t.Context(), cookie) }); n > most {
		t.Errorf("a cookie of 10 MiB: %d bytes allocated for a limit of %d", n, limit)
	}
	if !errors.Is(err, session.ErrInvalidToken) || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("a cookie of 10 MiB: %v, want session.ErrInvalidToken and the reason", err)
	}

	// The limit is exact, and the same for reading and for writing.
	for _, size := range []int{limit, limit + 1} {
		text := `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`
		_, err := opts.Encoding.Encode([]byte(text))
		if tooLarge, ok := errors.AsType[*session.TooLargeError](err); ok != (size > limit) ||
			ok && (tooLarge.Size != size || tooLarge.Limit != limit) {
			t.Errorf("writing %d bytes: %v", size, err)
		}
		for _, compressed := range []bool{false, true} {
			content := []byte(text)
			if compressed {
				var b bytes.Buffer
				w := zlib.NewWriter(&b)
				w.Write(content)
				w.Close()
				content = b.Bytes()
			}
			_, row := sign(content, compressed)
			if _, err := opts.Encoding.Decode(row); (err == nil) != (size <= limit) {
				t.Errorf("reading %d bytes, compressed %v: %v", size, compressed, err)
			}
		}
	}
	small := newCookieStore(t, django.Options{MaxBytes: 64})
	_, err = small.Save(t.Context(), "", inAnHour(`{"a":"`+strings.Repeat("x", 100)+`"}`))
	if tooLarge, ok := errors.AsType[*session.TooLargeError](err); !ok || tooLarge.Limit != 64 {
		t.Errorf("a cookie that could not be read back: %v", err)
	}
}

func TestWhatIsAboveTheLimitIsNotCompressed(t *testing.T) {
	store := newCookieStore(t, django.Options{MaxBytes: 1 << 10})
	rec := inAnHour(`{"a":"` + strings.Repeat("0123456789", 1<<10) + `"}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := store.Save(t.Context(), "", rec)
	runtime.ReadMemStats(&after)
	if _, ok := errors.AsType[*session.TooLargeError](err); !ok {
		t.Errorf("Save gave %v, want a *session.TooLargeError", err)
	}
	// A compressor alone has 800 kB.
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 {
		t.Errorf("refusing a session took %d bytes", n)
	}
}

func TestNothingIsInflatedBeforeTheSignatureIsVerified(t *testing.T) {
	store := newCookieStore(t, django.Options{})
	cookie, _ := sign(bomb(t, 10), true)
	good, _ := sign([]byte("this is no zlib stream"), true)
	if _, err := store.Load(t.Context(), good); !errors.Is(err, session.ErrInvalidToken) ||
		err == session.ErrInvalidToken {
		t.Fatalf("%v: the reason is missing that a signed text would have", err)
	}
	for name, forged := range map[string]string{
		"a bomb":    cookie[:len(cookie)-1] + flip(cookie[len(cookie)-1]),
		"not zlib":  good[:len(good)-1] + flip(good[len(good)-1]),
		"unsigned":  cookie[:strings.LastIndexByte(cookie, ':')],
		"for a row": func() string { _, row := sign(bomb(t, 10), true); return row }(),
		"another's": django.SignCookie("another key", "."+base64.RawURLEncoding.EncodeToString(bomb(t, 10)),
			base62Now()),
		"very long":    strings.Repeat("A", 1<<20),
		"long, signed": func() string { c, _ := sign(make([]byte, 20<<10), false); return c }(),
	} {
		var err error
		n := allocated(func() { _, err = store.Load(t.Context(), forged) })
		if err != session.ErrInvalidToken {
			t.Errorf("%s: %v, want session.ErrInvalidToken as it is", name, err)
		}
		if n > 64<<10 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "E"
	}
	return "A"
}

func TestSignedTextsThatDjangoDoesNotWriteAreRefused(t *testing.T) {
	store := newCookieStore(t, django.Options{})
	b64 := base64.RawURLEncoding.EncodeToString
	zip := func(text string) []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		io.WriteString(w, text)
		w.Close()
		return b.Bytes()
	}
	now := base62Now()
	const object = `{"a":1}`
	good := django.SignCookie(secretKey, b64([]byte(object)), now)
	if rec, err := store.Load(t.Context(), good); err != nil || string(rec.Data) != object {
		t.Fatalf("%v", err)
	}
	for name, tc := range map[string]struct{ body, timestamp string }{
		"no timestamp at all":               {b64([]byte(object)), ""},
		"a timestamp with a leading zero":   {b64([]byte(object)), "0" + now},
		"a timestamp of minus zero":         {b64([]byte(object)), "-0"},
		"a timestamp that is no number":     {b64([]byte(object)), "1vb 6i"},
		"a timestamp that is out of range":  {b64([]byte(object)), "zzzzzzzzzzz"},
		"padding":                           {base64.URLEncoding.EncodeToString([]byte(object)), now},
		"the other alphabet":                {"//" + b64([]byte(object)), now},
		"a line break":                      {"\n" + b64([]byte(object)), now},
		"unused bits":                       {"e31", now},
		"no text":                           {"", now},
		"an empty compressed text":          {".", now},
		"a compressed text that is cut off": {"." + b64(zip(object)[:10]), now},
		"a wrong checksum":                  {"." + b64(append(zip(object)[:len(zip(object))-1], 0)), now},
		"something after the compressed":    {"." + b64(append(zip(object), 'x')), now},
		"two dots":                          {".." + b64(zip(object)), now},
		"a list":                            {b64([]byte(`[1]`)), now},
		"a string":                          {b64([]byte(`"a"`)), now},
		"null":                              {b64([]byte(`null`)), now},
		"a number that JSON has not":        {b64([]byte(`{"a":Nan}`)), now},
		"two objects":                       {b64([]byte(object + object)), now},
		"an escape that is cut off":         {b64([]byte(`{"a":"\u12`)), now},
		"Latin-1":                           {b64([]byte("{\"\xe9\":\"\xff\x80\"}")), now},
		"a surrogate in UTF-8":              {b64([]byte("{\"\xed\xa0\x80\":1}")), now},
		"a control character":               {b64([]byte("{\"a\":\"\n\"}")), now},
	} {
		rec, err := store.Load(t.Context(), django.SignCookie(secretKey, tc.body, tc.timestamp))
		if !errors.Is(err, session.ErrInvalidToken) || rec != nil {
			t.Errorf("%s: %v, want session.ErrInvalidToken", name, err)
		}
	}
	// Django would not write these either, and they mean something.
	for name, tc := range map[string]struct{ text, want string }{
		"UTF-8":                       {`{"é":"Ã©"}`, `{"é":"Ã©"}`},
		"an infinite expiry":          {`{"_session_expiry":Infinity}`, `{"_session_expiry":1e999}`},
		"another serializer's spaces": {"\n {\"a\": 1}\n", "{\"a\": 1}\n"},
	} {
		rec, err := store.Load(t.Context(), django.SignCookie(secretKey, b64([]byte(tc.text)), now))
		if err != nil || string(rec.Data) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		key  string
		opts django.Options
		want string // part of the error; "" if there is none
	}{
		"an empty key":          {"", django.Options{}, "SECRET_KEY"},
		"an empty fallback":     {"k", django.Options{Fallbacks: []string{"a", ""}}, "Fallbacks[1]"},
		"a negative limit":      {"k", django.Options{MaxBytes: -1}, "MaxBytes"},
		"Django's smallest key": {"k", django.Options{}, ""},
	} {
		_, err := django.NewCookieStore(tc.key, tc.opts)
		_, err2 := django.Rows(tc.key, tc.opts)
		for _, err := range []error{err, err2} {
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, age := range []time.Duration{-time.Second, time.Millisecond, 90*time.Second + 1,
		101 * 365 * 24 * time.Hour} {
		if _, err := django.NewCookieStore("k", django.Options{CookieAge: age}); err == nil ||
			!strings.Contains(err.Error(), "SESSION_COOKIE_AGE") {
			t.Errorf("a CookieAge of %v: %v", age, err)
		}
	}
	if _, err := django.NewAuth("", django.Options{}); err == nil {
		t.Error("NewAuth takes an empty key")
	}
	store := newCookieStore(t, django.Options{})
	if _, err := store.ForCookie(""); err == nil {
		t.Error("ForCookie takes an empty name")
	}
}

func TestNothingThatIsPrintedShowsAKey(t *testing.T) {
	const key, fallback = "the key of the site", "the key before it"
	opts := django.Options{Fallbacks: []string{fallback}, ReadSHA1: true}
	store, err := django.NewCookieStore(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := django.Rows(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := django.NewAuth(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{opts, &opts, []django.Options{opts}, store, *store, rows, rows.Encoding, auth, *auth} {
		var b bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("", "v", v)
		for _, secret := range []string{key, fallback, hex.EncodeToString([]byte(key)),
			hex.EncodeToString([]byte(fallback))} {
			if strings.Contains(b.String(), secret) {
				t.Errorf("a %T shows a key: %s", v, b.String())
			}
		}
	}
	_, err = store.Load(t.Context(), "confidential:1vb66i:AAAA")
	if err != session.ErrInvalidToken {
		t.Errorf("%v, want session.ErrInvalidToken as it is", err)
	}
	for _, data := range []string{`["confidential"]`, `{"confidential":1`, "{\"confidential\":\"\xff\"}"} {
		_, err := store.Save(t.Context(), "", inAnHour(data))
		_, err2 := rows.Encoding.Encode([]byte(data))
		cookie, row := sign([]byte(data), false)
		_, err3 := newCookieStore(t, django.Options{}).Load(t.Context(), cookie)
		_, err4 := rows.Encoding.Decode(row)
		for _, err := range []error{err, err2, err4} {
			if err == nil || strings.Contains(err.Error(), "confidential") {
				t.Errorf("%q: %v", data, err)
			}
		}
		if err3 != nil && strings.Contains(err3.Error(), "confidential") {
			t.Errorf("%q: %v", data, err3)
		}
	}
}

func TestACookieIsAboutAsSmallAsDjangos(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		store := newCookieStore(t, django.Options{})
		sessions := []string{
			`{}`,
			`{"team":"red"}`,
			`{"_auth_user_id":"1024","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
				`"_auth_user_hash":"5b2b7bbd0d1d2f4f7b9d7a7d7e6b5a40f3b6f2c9e1a8d7c6b5a4938271605f4e"}`,
			`{"tên":"Nguyễn Thị Ánh","имя":"Мария","名前":"太郎","🍪":"🥠"}`,
			`{"cart":[` + strings.Repeat(`{"sku":"SKU-01932","name":"Article","quantity":1,"price":"31.90"},`,
				30) + `{}]}`,
			`{"token":"` + base64.RawURLEncoding.EncodeToString(randomBytes(60)) + `"}`,
			`{"token":"` + base64.RawURLEncoding.EncodeToString(randomBytes(2000)) + `"}`,
		}
		for _, data := range sessions {
			token, err := store.Save(t.Context(), "", inAnHour(data))
			if err != nil {
				t.Fatal(err)
			}
			// The mark takes two or three bytes, and no two encoders agree on all.
			if ours, theirs := len(token), len(p.write(cookies, data, nil)); ours > theirs+4+theirs/25 {
				t.Errorf("%d bytes, and %d from Django, for %.60s…", ours, theirs, data)
			}
		}
	})
}

func TestTheNameOfTheCookieCountsTowardsTheLimit(t *testing.T) {
	store := newCookieStore(t, django.Options{})
	long, err := store.ForCookie("__Host-" + strings.Repeat("n", 93))
	if err != nil {
		t.Fatal(err)
	}
	// Grow a session that cannot be compressed until it does not fit.
	sizes := func(s session.SessionStore) (largest int, tooLarge *session.TooLargeError) {
		data := []byte(`{"a":"`)
		random := rand.New(rand.NewPCG(seed, 1))
		for {
			data = append(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.IntN(64)])
			if len(data) < 3600 {
				continue // fits in any case
			}
			token, err := s.Save(t.Context(), "", inAnHour(string(data)+`"}`))
			if err != nil {
				tooLarge, _ = errors.AsType[*session.TooLargeError](err)
				return largest, tooLarge
			}
			largest = max(largest, len(token))
		}
	}
	for name, s := range map[string]session.SessionStore{"sessionid": store,
		"__Host-" + strings.Repeat("n", 93): long} {
		largest, tooLarge := sizes(s)
		if tooLarge == nil || tooLarge.Limit != 4096 || tooLarge.Size <= 4096 {
			t.Errorf("%s: %+v, want a *session.TooLargeError beyond 4096 bytes", name, tooLarge)
		}
		if n := len(name) + largest; n > 4096 || n < 4090 {
			t.Errorf("%s: the largest cookie takes %d bytes with its name", name, n)
		}
	}
}
