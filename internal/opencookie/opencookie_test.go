package opencookie_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sessionengine/django"
	"sessionengine/internal/opencookie"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

func secret(n byte) []byte {
	return []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM" + string('0'+n))
}

func save(t *testing.T, store session.SessionStore, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	value, err := store.Save(t.Context(), "",
		&session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestOpen(t *testing.T) {
	for i, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		store, err := signedcookie.New(secret(2), signedcookie.Options{Scheme: scheme})
		value := save(t, store, err)
		for _, name := range []string{"", scheme.String()} {
			opener, err := opencookie.New(opencookie.Options{Scheme: name, Cookie: "sessionid",
				Secrets: [][]byte{secret(1), secret(2)}})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []string{value, strings.TrimRight(value, "=")} {
				rec, made, err := opener.Open(t.Context(), v)
				if err != nil || string(rec.Data) != `{"a":1}` ||
					made != (opencookie.Made{Scheme: opencookie.Schemes()[i], Secret: 1}) {
					t.Errorf("%v: %v, %+v", scheme, err, made)
				}
			}
		}
		other, err := opencookie.New(opencookie.Options{Cookie: "other", Secrets: [][]byte{secret(1), secret(2)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := other.Open(t.Context(), value); !errors.Is(err, session.ErrInvalidToken) {
			t.Errorf("%v: under another name: %v", scheme, err)
		}
	}
	store, err := django.NewCookieStore("key", django.Options{})
	value := save(t, store, err)
	opener, err := opencookie.New(opencookie.Options{Scheme: opencookie.Django,
		Secrets: [][]byte{[]byte("new"), []byte("key")}, DjangoAge: 14 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if rec, made, err := opener.Open(t.Context(), value); err != nil || string(rec.Data) != `{"a":1}` ||
		made.Secret != 1 {
		t.Errorf("django: %v, %+v", err, made)
	}
	if _, err := opencookie.New(opencookie.Options{}); err == nil {
		t.Error("nothing opens without a secret")
	}
	if _, err := opencookie.New(opencookie.Options{Scheme: "rot13", Secrets: [][]byte{secret(1)}}); err == nil ||
		!strings.Contains(err.Error(), `no scheme "rot13"`) {
		t.Errorf("an unknown scheme: %v", err)
	}
}

func TestValue(t *testing.T) {
	for _, value := range []string{"abc123", "abc-_1=", "abc-_1==", ".eJyrVo:1vWxyz:sig_na-ture"} {
		for what, text := range map[string]string{
			"value":                value,
			"line break":           value + "\r\n",
			"space":                "  " + value + " \n",
			"byte order mark":      "\ufeff" + value,
			"quotes":               `"` + value + `"`,
			"name and value":       "sessionid=" + value,
			"quoted value":         `sessionid="` + value + `"`,
			"Cookie":               "Cookie: a=1; sessionid=" + value + "; b=2",
			"Cookie of HTTP/2":     "cookie: sessionid=" + value,
			"pairs":                "a=1; sessionid=" + value,
			"Set-Cookie":           "Set-Cookie: sessionid=" + value + "; Path=/; Max-Age=1209600; HttpOnly",
			"without its name":     "sessionid=" + value + "; Path=/; Max-Age=1209600; HttpOnly; Secure",
			"escaped":              strings.ReplaceAll(value, "=", "%3D"),
			"name and escaped":     "sessionid=" + strings.ReplaceAll(value, ":", "%3A"),
			"a file of curl":       "#HttpOnly_127.0.0.1\tFALSE\t/\tTRUE\t0\tsessionid\t" + value,
			"a cookie like a name": "Cookie: sessionid2=x; sessionid=" + value,
		} {
			if got, err := opencookie.Value(text, "sessionid"); got != value || err != nil {
				t.Errorf("%s: %q gave %q, %v", what, text, got, err)
			}
		}
		for _, text := range []string{"sid=" + value, "Cookie: sid=" + value, "Set-Cookie: sid=" + value + "; Path=/"} {
			if got, err := opencookie.Value(text, ""); got != value || err != nil {
				t.Errorf("any name: %q gave %q, %v", text, got, err)
			}
			if _, err := opencookie.Value(text, "sessionid"); err == nil ||
				!strings.Contains(err.Error(), `the cookie "sid"`) || strings.Contains(err.Error(), value) {
				t.Errorf("another name: %q gave %v", text, err)
			}
		}
		text := "Cookie: a=" + value + "; b=" + value
		if _, err := opencookie.Value(text, "sessionid"); err == nil ||
			!strings.Contains(err.Error(), `no cookie "sessionid"`) || strings.Contains(err.Error(), value) {
			t.Errorf("%q gave %v", text, err)
		}
	}
}
