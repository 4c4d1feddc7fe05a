package signedcookie_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// secret returns a secret for tests; the same n gives the same one.
func secret(n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "a secret for tests only %d", n))
	return sum[:]
}

func newStore(t testing.TB, opts signedcookie.Options) *signedcookie.Store {
	t.Helper()
	store, err := signedcookie.New(secret(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

var schemes = []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed}

func TestConformance(t *testing.T) {
	variants := map[string]signedcookie.Options{
		"defaults":                {},
		"without a cache":         {CacheBytes: -1},
		"without compression":     {Compression: signedcookie.CompressionOff, PadTo: 32},
		"with best compression":   {Compression: signedcookie.CompressionBest},
		"with a smaller limit":    {MaxCookieBytes: 2000},
		"with a tiny cache":       {CacheBytes: 1},
		"with its own dictionary": {Dictionaries: [][]byte{[]byte(`{"user_id":1,"team":"red"}`)}},
	}
	for _, scheme := range schemes {
		for name, opts := range variants {
			opts.Scheme = scheme
			if name == "without compression" && scheme != signedcookie.Sealed {
				continue // one of the suite's sessions does not fit
			}
			limit := opts.MaxCookieBytes
			if limit == 0 {
				limit = signedcookie.MaxCookieBytes
			}
			open := func(t *testing.T) session.SessionStore { return newStore(t, opts) }
			t.Run(fmt.Sprintf("%v %s", scheme, name), func(t *testing.T) {
				sessiontest.Run(t, open, sessiontest.Features{
					CookieBound:    true,
					IgnoresContext: true,
					MaxBytes:       limit,
					SynctestBubble: true,
					Peer:           func(t *testing.T, _ session.SessionStore) session.SessionStore { return open(t) },
				})
			})
		}
	}
}
