package signedcookie_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/flate"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

func save(t testing.TB, store session.SessionStore, data string) string {
	t.Helper()
	token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return token
}

func wantLoad(t testing.TB, store session.SessionStore, token, data string) {
	t.Helper()
	rec, err := store.Load(t.Context(), token)
	if err != nil {
		t.Errorf("%v: Load: %v", store, err)
	} else if string(rec.Data) != data {
		t.Errorf("%v: Load gave %q, want %q", store, rec.Data, data)
	}
}

func wantInvalid(t testing.TB, store session.SessionStore, token string) {
	t.Helper()
	if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrInvalidToken) {
		t.Errorf("%v: Load gave %v, want %v", store, err, session.ErrInvalidToken)
	}
}

// noise returns n bytes of text that cannot be compressed to less than 6 bits a
// character.
func noise(n int, seed uint64) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return b
}

func TestSecretsThatAreNotRandomAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		secret []byte
		ok     bool
	}{
		"none":                            {nil, false},
		"31 bytes":                        {noise(31, 1), false},
		"32 bytes":                        {noise(32, 1), true},
		"32 zeros":                        {make([]byte, 32), false},
		"64 equal characters":             {bytes.Repeat([]byte("x"), 64), false},
		"a short word again and again":    {bytes.Repeat([]byte("change"), 8), false},
		"a placeholder":                   {[]byte("CHANGEME-CHANGEME-CHANGEME-CHANGEME"), false},
		"32 bytes in hexadecimal":         {fmt.Appendf(nil, "%x", secret(1)), true},
		"a placeholder of words":          {[]byte("ThisIsASecretKeyThatShouldBeChanged!"), false},
		"half of it again":                {[]byte("my-secret-key-1 my-secret-key-1 "), false},
		"a row of the alphabet":           {[]byte("abcdefghijklmnopqrstuvwxyz0123456789"), false},
		"two lines":                       {append(append(noise(48, 1), '\n'), noise(48, 2)...), false},
		"31 bytes and a line break":       {append(noise(31, 1), '\n'), false},
		"openssl rand -base64 32 as read": {[]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=\n"), true},
	} {
		for what, make := range map[string]func() error{
			"the secret": func() error { _, err := signedcookie.New(tc.secret, signedcookie.Options{}); return err },
			"Options.FallbackSecrets[1]": func() error {
				_, err := signedcookie.New(secret(1),
					signedcookie.Options{FallbackSecrets: [][]byte{secret(2), tc.secret}})
				return err
			},
		} {
			err := make()
			if tc.ok {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s: accepted as %s", name, what)
				continue
			}
			if text := err.Error(); !strings.Contains(text, what+" ") ||
				!strings.Contains(text, "openssl rand -base64 32") {
				t.Errorf("%s: the error does not say what is wrong and what to do: %v", name, err)
			} else if len(tc.secret) > 0 && strings.Contains(text, string(tc.secret)) {
				t.Errorf("%s: the error contains the secret", name)
			}
		}
	}
}

// Whichever way a secret was read, it is the same one.
func TestWhatIsAroundASecretIsNoPartOfIt(t *testing.T) {
	const bare = "kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="
	newStore := func(secret []byte, fallbacks ...[]byte) *signedcookie.Store {
		store, err := signedcookie.New(secret, signedcookie.Options{FallbackSecrets: fallbacks})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	token := save(t, newStore([]byte(bare)), `{"a":1}`)
	for _, text := range []string{bare + "\n", bare + "\r\n", "\ufeff" + bare + "\n", " " + bare + "\n\n"} {
		wantLoad(t, newStore([]byte(text)), token, `{"a":1}`)
		wantLoad(t, newStore(secret(1), []byte(text)), token, `{"a":1}`)
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for what, read := range map[string]func() ([][]byte, error){
			"ReadSecrets":  func() ([][]byte, error) { return signedcookie.ReadSecrets(path) },
			"ParseSecrets": func() ([][]byte, error) { return signedcookie.ParseSecrets(text) },
		} {
			if secrets, err := read(); err != nil || len(secrets) != 1 || string(secrets[0]) != bare {
				t.Errorf("%s of %q gave %q, %v", what, text, secrets, err)
			}
		}
	}
	// Random bytes may end in what is a line break in text.
	random := append(secret(1), '\n')
	wantInvalid(t, newStore(random[:32]), save(t, newStore(random), `{"a":1}`))
}

func TestReadSecretsForRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, fmt.Appendf(nil, "%x\r\n\r\n%x\r\n", secret(1), secret(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets, err := signedcookie.ReadSecrets(path)
	if err != nil || len(secrets) != 2 {
		t.Fatalf("got %d secrets, %v", len(secrets), err)
	}
	old, err := signedcookie.New(fmt.Appendf(nil, "%x", secret(2)), signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := signedcookie.New(secrets[0], signedcookie.Options{FallbackSecrets: secrets[1:]})
	if err != nil {
		t.Fatal(err)
	}
	wantLoad(t, store, save(t, old, `{"a":1}`), `{"a":1}`)

	if err := os.WriteFile(path, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signedcookie.ReadSecrets(path); err == nil ||
		!strings.Contains(err.Error(), path+": there is no secret") {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := signedcookie.ReadSecrets(path + "x"); !errors.Is(err, fs.ErrNotExist) ||
		strings.Count(err.Error(), path) != 1 {
		t.Errorf("no file: %v", err)
	}
	if _, err := signedcookie.ParseSecrets(""); err == nil {
		t.Error("a variable that is not set gives secrets")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	dictionary := []byte(`{"user_id":1}`)
	for name, tc := range map[string]struct {
		opts signedcookie.Options
		want string // in the error; none if it is empty
	}{
		"an unknown scheme":                    {signedcookie.Options{Scheme: 9}, "Options.Scheme"},
		"an unknown compression":               {signedcookie.Options{Compression: 9}, "Options.Compression"},
		"a limit above that of browsers":       {signedcookie.Options{MaxCookieBytes: 4097}, "MaxCookieBytes"},
		"a negative limit":                     {signedcookie.Options{MaxCookieBytes: -1}, "MaxCookieBytes"},
		"a negative limit for the session":     {signedcookie.Options{MaxDataBytes: -1}, "Options.MaxDataBytes"},
		"padding for cookies that can be read": {signedcookie.Options{PadTo: 32}, "Options.PadTo"},
		"negative padding": {signedcookie.Options{PadTo: -1, Scheme: signedcookie.Sealed},
			"Options.PadTo"},
		"padding that never fits": {signedcookie.Options{PadTo: 4096, Scheme: signedcookie.Sealed},
			"Options.PadTo"},
		"padding for cookies that are encrypted": {signedcookie.Options{PadTo: 32, Scheme: signedcookie.Encrypted}, ""},
		"an empty dictionary": {signedcookie.Options{FallbackDictionaries: [][]byte{dictionary, {}}},
			"Options.FallbackDictionaries[1]"},
		"a dictionary that is too long": {signedcookie.Options{Dictionary: noise(8<<10+1, 1)},
			"Options.Dictionary"},
		"the same dictionary twice": {signedcookie.Options{Dictionary: dictionary,
			FallbackDictionaries: [][]byte{dictionary}}, "Options.FallbackDictionaries[0]"},
		"no cache": {signedcookie.Options{CacheBytes: -1}, ""},
	} {
		_, err := signedcookie.New(secret(1), tc.opts)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error that names %s", name, err, tc.want)
		}
	}
}

func TestCookieNamesAreChecked(t *testing.T) {
	store := newStore(t, signedcookie.Options{})
	for _, name := range []string{"", "a b", "a=b", "a;b", "a\r\nSet-Cookie: b", "é", "a\"b", "a,b",
		strings.Repeat("n", 4096)} {
		if _, err := store.ForCookie(name); err == nil {
			t.Errorf("the name %.20q was accepted", name)
		}
	}
	for _, name := range []string{"sessionid", "__Host-session", "a|b", "SID.1"} {
		bound, err := store.ForCookie(name)
		if err != nil {
			t.Errorf("the name %q was refused: %v", name, err)
			continue
		}
		wantLoad(t, bound, save(t, bound, "{}"), "{}")
	}
}

func TestCookieOfOneNameIsWorthNothingInAnother(t *testing.T) {
	for _, scheme := range schemes {
		store := newStore(t, signedcookie.Options{Scheme: scheme})
		token := save(t, store, `{"user_id":1}`)
		for _, name := range []string{"sessioni", "sessionid2", "Sessionid", "sessionid|1"} {
			other, err := store.ForCookie(name)
			if err != nil {
				t.Fatal(err)
			}
			wantInvalid(t, other, token)
		}
		same, err := store.ForCookie(session.DefaultCookieName)
		if err != nil {
			t.Fatal(err)
		}
		wantLoad(t, same, token, `{"user_id":1}`)
	}
}

func TestCookieOfOneSchemeIsWorthNothingInAnother(t *testing.T) {
	for _, from := range schemes {
		token := save(t, newStore(t, signedcookie.Options{Scheme: from}), `{"user_id":1}`)
		for _, to := range schemes {
			if to != from {
				wantInvalid(t, newStore(t, signedcookie.Options{Scheme: to}), token)
			}
		}
	}
}

func TestSessionsSurviveTheRotationOfSecrets(t *testing.T) {
	for _, scheme := range schemes {
		store := newStore(t, signedcookie.Options{Scheme: scheme})
		data := `{"user_id":20,"team":"red"}`
		token := save(t, store, data)
		size := len(token)
		for i := 2; i <= 11; i++ {
			next, err := signedcookie.New(secret(i),
				signedcookie.Options{Scheme: scheme, FallbackSecrets: [][]byte{secret(i - 1)}})
			if err != nil {
				t.Fatal(err)
			}
			wantLoad(t, next, token, data)
			old := token
			token = save(t, next, data)
			if len(token) != size {
				t.Errorf("%v: after %d rotations a cookie has %d bytes, and had %d", scheme, i-1, len(token), size)
			}
			wantLoad(t, next, token, data)
			// What was saved is made with the new secret: a store that does not
			// know it refuses it, and one that knows nothing else loads it.
			wantInvalid(t, store, token)
			alone, err := signedcookie.New(secret(i), signedcookie.Options{Scheme: scheme})
			if err != nil {
				t.Fatal(err)
			}
			wantLoad(t, alone, token, data)
			wantInvalid(t, alone, old)
			store = next
		}
	}
}

func TestLimitIsExact(t *testing.T) {
	for _, scheme := range schemes {
		for _, limit := range []int{0, 1000} {
			store := newStore(t, signedcookie.Options{Scheme: scheme, Compression: signedcookie.CompressionOff,
				MaxCookieBytes: limit})
			if limit == 0 {
				limit = 4096
			}
			rec := &session.Record{Data: noise(limit/2, 1), Expires: time.Now().Add(time.Hour)}
			token, err := store.Save(t.Context(), "", rec)
			if err != nil {
				t.Fatal(err)
			}
			// The length of a value grows in steps, so the name fills up what is
			// left, byte by byte.
			for _, more := range []int{-1, 0, 1, 2} {
				name := strings.Repeat("n", limit-len(token)+more)
				bound, err := store.ForCookie(name)
				if err != nil {
					t.Fatal(err)
				}
				got, err := bound.Save(t.Context(), "", rec)
				size := limit + more
				if more <= 0 {
					if err != nil {
						t.Errorf("%v: Save of %d bytes, limit %d: %v", scheme, size, limit, err)
						continue
					}
					if len(name)+len(got) != size {
						t.Errorf("%v: name and value have %d bytes, want %d", scheme, len(name)+len(got), size)
					}
					wantLoad(t, bound, got, string(rec.Data))
					continue
				}
				tooLarge, ok := errors.AsType[*session.TooLargeError](err)
				if !ok {
					t.Errorf("%v: Save of %d bytes, limit %d: got %v, want a *session.TooLargeError", scheme, size,
						limit, err)
				} else if tooLarge.Size != size || tooLarge.Limit != limit {
					t.Errorf("%v: Save of %d bytes, limit %d: the error tells of %d and %d", scheme, size, limit,
						tooLarge.Size, tooLarge.Limit)
				}
			}
		}
	}
}

func TestSessionsAboveTheirOwnLimitAreNotSaved(t *testing.T) {
	for set, limit := range map[int]int{0: 64 << 10, 1000: 1000} {
		store := newStore(t, signedcookie.Options{MaxDataBytes: set})
		save(t, store, strings.Repeat("a", limit))
		rec := &session.Record{Data: bytes.Repeat([]byte("a"), limit+1), Expires: time.Now().Add(time.Hour)}
		_, err := store.Save(t.Context(), "", rec)
		tooLarge, ok := errors.AsType[*session.TooLargeError](err)
		if !ok || tooLarge.Size != limit+1 || tooLarge.Limit != limit || session.ErrorStatus(err) != 500 {
			t.Errorf("Save gave %v, want a *session.TooLargeError that tells of %d and %d bytes", err, limit+1, limit)
		}
	}
}

// Compressing 16 MiB takes half a second and, with it, as much memory.
func TestSessionsAboveTheirOwnLimitAreNotCompressed(t *testing.T) {
	for _, compression := range []signedcookie.Compression{signedcookie.CompressionDefault, signedcookie.CompressionOff} {
		store := newStore(t, signedcookie.Options{Compression: compression})
		rec := &session.Record{Data: noise(16<<20, 1), Expires: time.Now().Add(time.Hour)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := store.Save(t.Context(), "", rec)
		runtime.ReadMemStats(&after)
		if _, ok := errors.AsType[*session.TooLargeError](err); !ok {
			t.Errorf("compression %d: Save gave %v, want a *session.TooLargeError", compression, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("compression %d: refusing 16 MiB took %d bytes", compression, n)
		}
	}
}

// A loose limit lets in what was made before it was lowered.
func TestLowerLimitAcceptsOlderCookies(t *testing.T) {
	data := string(noise(1000, 1))
	token := save(t, newStore(t, signedcookie.Options{}), data)
	wantLoad(t, newStore(t, signedcookie.Options{MaxCookieBytes: 500}), token, data)
}

func deflated(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, flate.BestCompression, []byte(signedcookie.BuiltinWords))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var year2100 = []byte{0xf4, 0x86, 0x57, 0x00}

// A gigabyte of zeros deflates to a megabyte, four of them to what a cookie
// holds, and both with a valid signature: only a thief of the secret could do
// that, or a bug.
func TestDecompressionIsBounded(t *testing.T) {
	payload := func(stream []byte) []byte { return append(append([]byte{1<<5 | 0x04}, year2100...), stream...) }
	small := payload(deflated(t, make([]byte, 2<<20)))
	gigabyte := payload(bomb(t, 1<<30))
	for _, scheme := range schemes {
		store := newStore(t, signedcookie.Options{Scheme: scheme})
		token, err := signedcookie.SealPayload(store, small)
		if err != nil {
			t.Fatal(err)
		}
		if len(token) > 4000 {
			t.Fatalf("the bomb has %d bytes, which no cookie holds", len(token))
		}
		wantInvalid(t, store, token)
		large, err := signedcookie.SealPayload(store, gigabyte)
		if err != nil {
			t.Fatal(err)
		}
		wantInvalid(t, store, large)

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		store.Load(t.Context(), token)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8*64<<10 {
			t.Errorf("%v: a bomb took %d bytes of memory", scheme, n)
		}
	}

	// Past the limit on cookies, straight to the decompressor.
	for _, limit := range []int{1, 1000, 64 << 10} {
		if n, ok := signedcookie.Decompressed(gigabyte, limit); ok || n > limit+1 {
			t.Errorf("limit %d: %d bytes were decompressed, ok %v", limit, n, ok)
		}
	}
}

// bomb returns DEFLATE data that holds n zeros, n being some MiB.
func bomb(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 1<<20))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	// A flush ends at a whole byte, and what comes before does not matter to
	// zeros. The last block is an empty one.
	return append(bytes.Repeat(b.Bytes(), n>>20), 0x03, 0x00)
}

func TestForgeriesNeverReachTheDecompressor(t *testing.T) {
	for _, scheme := range schemes {
		store := newStore(t, signedcookie.Options{Scheme: scheme, FallbackSecrets: [][]byte{secret(2)}})
		blind := signedcookie.WithoutPayloads(store)
		token := save(t, store, loginSession)
		if !panics(func() { blind.Load(t.Context(), token) }) {
			t.Fatal("a store without a decoder loads a session, so this test shows nothing")
		}
		stranger, err := signedcookie.New(secret(3), signedcookie.Options{Scheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		wantInvalid(t, blind, save(t, stranger, loginSession))
		for i := range token {
			for _, c := range []byte{'A', 'B', '-', '=', '\n', 0, 0xff} {
				forged := []byte(token)
				if forged[i] == c {
					continue
				}
				forged[i] = c
				wantInvalid(t, blind, string(forged))
			}
			wantInvalid(t, blind, token[:max(i, 1)])
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestPaddingHidesTheLength(t *testing.T) {
	for _, scheme := range []signedcookie.Scheme{signedcookie.Encrypted, signedcookie.Sealed} {
		store := newStore(t, signedcookie.Options{Scheme: scheme, PadTo: 64})
		lengths := make(map[int]bool)
		for n := range 64 {
			data := fmt.Sprintf(`{"note":"%s"}`, noise(n, uint64(n)))
			token := save(t, store, data)
			wantLoad(t, store, token, data)
			lengths[len(token)] = true
		}
		if len(lengths) > 2 {
			t.Errorf("%v: sessions of 11 to 74 bytes give cookies of %d lengths, want at most 2", scheme, len(lengths))
		}
	}
}

func TestNothingPrintsKeysOrSessions(t *testing.T) {
	hidden := secret(7)
	opts := signedcookie.Options{Scheme: signedcookie.Sealed, FallbackSecrets: [][]byte{hidden, secret(8)},
		Dictionary: []byte("dictionary-content")}
	store, err := signedcookie.New(secret(6), opts)
	if err != nil {
		t.Fatal(err)
	}
	token := save(t, store, `{"card":"4111111111111111"}`)
	wantLoad(t, store, token, `{"card":"4111111111111111"}`)

	var out strings.Builder
	for _, v := range []any{opts, &opts, store, *store, []any{opts, store},
		struct{ Store *signedcookie.Store }{store}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
		b, err := json.Marshal(v)
		fmt.Fprintln(&out, string(b), err)
	}
	text := out.String()
	for what, leak := range map[string]string{
		"a secret":              string(hidden),
		"a secret in hex":       fmt.Sprintf("%x", hidden)[:16],
		"a secret in upper hex": fmt.Sprintf("%X", hidden)[:16],
		"a secret as numbers":   strings.Trim(fmt.Sprint(hidden[:8]), "[]"),
		"a secret as Go syntax": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", hidden[:8]), "[]byte{"),
			"}"),
		"a secret as JSON":       strings.TrimRight(jsonOf(t, hidden)[1:20], "="),
		"a session":              "4111111111111111",
		"a session in hex":       fmt.Sprintf("%x", "4111111111111111"),
		"a token":                token,
		"the start of a token":   token[:24],
		"a dictionary":           "dictionary-content",
		"a dictionary as JSON":   jsonOf(t, []byte("dictionary-content"))[1:20],
		"a dictionary in hex":    fmt.Sprintf("%x", "dictionary-content"),
		"a dictionary's numbers": strings.Trim(fmt.Sprint([]byte("dictionary")), "[]"),
	} {
		if strings.Contains(text, leak) {
			t.Errorf("%s is printed", what)
		}
	}
	if !strings.Contains(text, "signedcookie.Store{sealed, cookie sessionid}") {
		t.Error("a store does not print as what it is")
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestErrorsTellNothingOfTheSession(t *testing.T) {
	store := newStore(t, signedcookie.Options{})
	rec := &session.Record{Data: []byte(`{"hobby":"` + string(noise(5000, 1)) + `"}`),
		Expires: time.Now().Add(time.Hour)}
	_, err := store.Save(t.Context(), "", rec)
	if err == nil || strings.Contains(err.Error(), "hobby") || strings.Contains(err.Error(), string(rec.Data[10:30])) {
		t.Errorf("Save of too much gave %v", err)
	}
	token := save(t, store, "{}")
	_, err = store.Load(t.Context(), token+"A")
	if err == nil || strings.Contains(err.Error(), token[:20]) {
		t.Errorf("Load of a forged token gave %v", err)
	}
}

func TestCacheAsksTheClockEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, signedcookie.Options{})
		token := save(t, store, "{}") // for an hour
		wantLoad(t, store, token, "{}")
		time.Sleep(time.Hour - time.Second)
		wantLoad(t, store, token, "{}")
		time.Sleep(time.Second)
		for range 2 {
			if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrExpired) {
				t.Errorf("Load at the expiry gave %v, want %v", err, session.ErrExpired)
			}
		}
	})
}

func TestCacheGivesRecordsOfTheirOwn(t *testing.T) {
	store := newStore(t, signedcookie.Options{})
	token := save(t, store, `{"user_id":20}`)
	for range 3 {
		rec, err := store.Load(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if string(rec.Data) != `{"user_id":20}` {
			t.Fatalf("Load gave %q after an earlier record was changed", rec.Data)
		}
		_ = append(rec.Data, "more"...)
		rec.Data = []byte("overwritten")
		rec.Expires = rec.Expires.Add(-24 * time.Hour)
	}
}

func TestCacheKnowsExactTokensOnly(t *testing.T) {
	store := newStore(t, signedcookie.Options{})
	token := save(t, store, "{}")
	wantLoad(t, store, token, "{}")
	for _, other := range []string{token + "=", token[:len(token)-1], strings.ToLower(token), token + "\n",
		" " + token} {
		wantInvalid(t, store, other)
	}
	// Nor does it take forgeries for known because it has seen them.
	for range 3 {
		wantInvalid(t, store, token+"AAAA")
	}
}

func TestCacheIsBounded(t *testing.T) {
	for set, limit := range map[int]int{0: 1 << 20, 100 << 10: 100 << 10} {
		store := newStore(t, signedcookie.Options{CacheBytes: set})
		first := save(t, store, `{"n":-1}`)
		least := limit
		for i := range limit / 200 {
			wantLoad(t, store, first, `{"n":-1}`) // in use all the time
			data := fmt.Sprintf(`{"n":%d,"s":"%s"}`, i, noise(500, uint64(i)))
			token := save(t, store, data)
			wantLoad(t, store, token, data)
			least = min(least, len(token)+len(data))
		}
		if n := signedcookie.CacheLen(store) * least; n > limit || n < limit/4 {
			t.Errorf("the cache has cookies and sessions of %d bytes, want up to %d", n, limit)
		}
	}
}

func TestStoreIsSafeForConcurrentUse(t *testing.T) {
	for _, scheme := range schemes {
		store := newStore(t, signedcookie.Options{Scheme: scheme, CacheBytes: 20 << 10,
			Dictionary: []byte(`{"session":"of goroutine"}`)})
		tokens := make([]string, 20)
		for i := range tokens {
			tokens[i] = save(t, store, fmt.Sprintf(`{"shared":%d}`, i))
		}
		done := make(chan bool)
		for g := range 8 {
			go func() {
				defer func() { done <- true }()
				for i := range 200 {
					n := (g + i) % len(tokens)
					wantLoad(t, store, tokens[n], fmt.Sprintf(`{"shared":%d}`, n))
					data := fmt.Sprintf(`{"session":"of goroutine %d","n":%d,"token":"%s"}`, g, i, noise(i, uint64(i)))
					token, err := store.Save(t.Context(), "",
						&session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
					if err != nil {
						t.Errorf("Save: %v", err)
						return
					}
					wantLoad(t, store, token, data)
				}
			}()
		}
		for range 8 {
			<-done
		}
	}
}

func TestDictionariesCanBeReplaced(t *testing.T) {
	one, two := []byte(`{"quests":["cave","tower"],"level":`), []byte(`{"inventory":["sword","shield"],"level":`)
	data := `{"quests":["cave","tower"],"level":7}`
	before := newStore(t, signedcookie.Options{})
	first := newStore(t, signedcookie.Options{Dictionary: one})
	both := newStore(t, signedcookie.Options{Dictionary: two, FallbackDictionaries: [][]byte{one}})
	second := newStore(t, signedcookie.Options{Dictionary: two})

	// A machine that knows a dictionary and does not use it yet.
	knows := newStore(t, signedcookie.Options{FallbackDictionaries: [][]byte{one}})

	builtin, withOne := save(t, before, data), save(t, first, data)
	if len(withOne) >= len(builtin) {
		t.Errorf("%d bytes with a dictionary of the session's own words, %d without", len(withOne), len(builtin))
	}
	for _, store := range []session.SessionStore{before, first, both, second} {
		wantLoad(t, store, builtin, data)
	}
	wantLoad(t, first, withOne, data)
	wantLoad(t, both, withOne, data)
	wantLoad(t, knows, withOne, data)
	wantLoad(t, before, save(t, knows, data), data)
	wantInvalid(t, second, withOne)
	wantInvalid(t, before, withOne)

	data = `{"inventory":["sword","shield"],"level":7}`
	withTwo := save(t, both, data)
	wantLoad(t, second, withTwo, data)
	wantInvalid(t, first, withTwo)
}

// The targets that the project set itself, for the sessions that it measures.
func TestCookieSizes(t *testing.T) {
	for _, tc := range []struct {
		kind    string
		scheme  signedcookie.Scheme
		trained bool
		max     int
	}{
		{"login", signedcookie.Signed, false, 150},
		{"login", signedcookie.Sealed, false, 120},
		{"cart", signedcookie.Signed, false, 520},
		{"cart", signedcookie.Sealed, false, 490},
		{"cart", signedcookie.Signed, true, 380},
		{"cart", signedcookie.Sealed, true, 350},
	} {
		sessions := corpus(t, tc.kind)
		opts := signedcookie.Options{Scheme: tc.scheme}
		measured := sessions[:len(sessions)/2]
		if tc.trained {
			dictionary, err := signedcookie.TrainDictionary(sessions[len(measured):], signedcookie.TrainOptions{})
			if err != nil {
				t.Fatal(err)
			}
			opts.Dictionary = dictionary
		}
		store := newStore(t, opts)
		total := 0
		for _, data := range measured {
			total += len(save(t, store, string(data)))
		}
		first, mean := len(save(t, store, string(measured[0]))), total/len(measured)
		t.Logf("%s %v, trained on others %v: %d bytes, %d on average", tc.kind, tc.scheme, tc.trained, first, mean)
		if max(first, mean) > tc.max {
			t.Errorf("%s %v, trained on others %v: %d bytes, %d on average, want at most %d", tc.kind, tc.scheme,
				tc.trained, first, mean, tc.max)
		}
	}
}

var raceDetector bool

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	login := corpus(t, "login")[0]
	for _, tc := range []struct {
		scheme     signedcookie.Scheme
		cache      int
		load, save float64
	}{
		{signedcookie.Signed, -1, 11, 18},
		{signedcookie.Sealed, -1, 3, 3},
		{signedcookie.Signed, 0, 1, 18},
		{signedcookie.Sealed, 0, 1, 3},
	} {
		store := newStore(t, signedcookie.Options{Scheme: tc.scheme, CacheBytes: tc.cache})
		rec := &session.Record{Data: login, Expires: time.Now().Add(time.Hour)}
		token := save(t, store, string(login))
		ctx := t.Context()
		if n := testing.AllocsPerRun(100, func() { store.Load(ctx, token) }); n > tc.load {
			t.Errorf("%v, cache %d: Load makes %v allocations, want at most %v", tc.scheme, tc.cache, n, tc.load)
		}
		if n := testing.AllocsPerRun(100, func() { store.Save(ctx, token, rec) }); n > tc.save {
			t.Errorf("%v, cache %d: Save makes %v allocations, want at most %v", tc.scheme, tc.cache, n, tc.save)
		}
	}
}

// "No bound" is a bound, too.
func TestTheLargestMaxDataBytes(t *testing.T) {
	store := newStore(t, signedcookie.Options{MaxDataBytes: math.MaxInt, CacheBytes: -1})
	data := `{"a":"` + strings.Repeat("word ", 100) + `"}`
	wantLoad(t, store, save(t, store, data), data)
}

func TestAllocationsOfARequest(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, tc := range []struct {
		scheme signedcookie.Scheme
		cached bool
		max    float64
	}{
		{signedcookie.Signed, false, 15},
		{signedcookie.Sealed, false, 7},
		{signedcookie.Signed, true, 5},
	} {
		if n := testing.AllocsPerRun(100, readRequest(t, tc.scheme, "login", tc.cached)); n > tc.max {
			t.Errorf("%v, cached %v: a request that reads its session makes %v allocations, want at most %v", tc.scheme,
				tc.cached, n, tc.max)
		}
	}
}
