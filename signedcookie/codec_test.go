package signedcookie_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// plain is a codec that signs and does nothing else.
type plain struct {
	key     []byte
	fail    error // of every call
	decoded *int  // counts calls of Decode
}

func (p plain) mac(cookie, body string) string {
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "%d %s%s", len(cookie), cookie, body)
	return fmt.Sprintf("%x", mac.Sum(nil))
}

func (p plain) Encode(cookie string, data []byte, expires time.Time) (string, error) {
	body := fmt.Sprintf("%d.%x", expires.Unix(), data)
	return body + "." + p.mac(cookie, body), p.fail
}

func (p plain) Decode(cookie, value string) ([]byte, time.Time, error) {
	if p.decoded != nil {
		*p.decoded++
	}
	if p.fail != nil {
		return nil, time.Time{}, p.fail
	}
	i := strings.LastIndexByte(value, '.')
	if i < 0 || !hmac.Equal([]byte(value[i+1:]), []byte(p.mac(cookie, value[:i]))) {
		return nil, time.Time{}, session.ErrInvalidToken
	}
	seconds, body, _ := strings.Cut(value[:i], ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, time.Time{}, session.ErrInvalidToken
	}
	data, err := hex.DecodeString(body)
	return data, time.Unix(n, 0).UTC(), err
}

func newPlain(t testing.TB, codec plain, opts signedcookie.CodecOptions) *signedcookie.Store {
	t.Helper()
	codec.key = secret(1)
	store, err := signedcookie.NewWithCodec(codec, opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestCodecOfAnotherKindConforms(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		return newPlain(t, plain{}, signedcookie.CodecOptions{})
	}, sessiontest.Features{CookieBound: true, IgnoresContext: true, MaxBytes: signedcookie.MaxCookieBytes, SynctestBubble: true})
}

func TestFailuresOfACodecAreNotLogouts(t *testing.T) {
	down := errors.New("the key server is down")
	store := newPlain(t, plain{fail: down}, signedcookie.CodecOptions{})
	if _, err := store.Load(t.Context(), "1.7b7d.00"); !errors.Is(err, down) || errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load gave %v, want %v", err, down)
	}
	if token, err := store.Save(t.Context(), "", &session.Record{}); !errors.Is(err, down) || token != "" {
		t.Errorf("Save gave %q, %v, want %v", token, err, down)
	}
}

func TestStoreDoesForACodecWhatItIsThereFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		store := newPlain(t, plain{decoded: &calls}, signedcookie.CodecOptions{MaxCookieBytes: 500})
		token := save(t, store, "{}")
		for range 5 {
			wantLoad(t, store, token, "{}")
		}
		if calls != 1 {
			t.Errorf("a cookie was decoded %d times in 5 requests, want 1", calls)
		}
		_, err := store.Save(t.Context(), "", &session.Record{Data: noise(300, 1), Expires: time.Now().Add(time.Hour)})
		if tooLarge, ok := errors.AsType[*session.TooLargeError](err); !ok || tooLarge.Limit != 500 {
			t.Errorf("Save gave %v, want a *session.TooLargeError with a limit of 500", err)
		}
		time.Sleep(time.Hour)
		if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrExpired) {
			t.Errorf("Load gave %v, want %v", err, session.ErrExpired)
		}

		calls = 0
		store = newPlain(t, plain{decoded: &calls}, signedcookie.CodecOptions{CacheBytes: -1})
		token = save(t, store, "{}")
		for range 5 {
			wantLoad(t, store, token, "{}")
		}
		if calls != 5 {
			t.Errorf("without a cache a cookie was decoded %d times in 5 requests", calls)
		}
	})
}
