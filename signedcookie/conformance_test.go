package signedcookie_test

import (
	"cmp"
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
		"signed":                       {},
		"encrypted":                    {Scheme: signedcookie.Encrypted},
		"sealed":                       {Scheme: signedcookie.Sealed},
		"signed, without a cache":      {CacheBytes: -1},
		"signed, with a smaller limit": {MaxCookieBytes: 2000},
		"sealed, with a tiny cache":    {Scheme: signedcookie.Sealed, CacheBytes: 1},
		"sealed, not compressed and padded": {Scheme: signedcookie.Sealed, Compression: signedcookie.CompressionOff,
			PadTo: 32},
		"sealed, with its own dictionary": {Scheme: signedcookie.Sealed,
			Dictionary: []byte(`{"user_id":1,"team":"red"}`)},
	}
	for name, opts := range variants {
		open := func(t *testing.T) session.SessionStore { return newStore(t, opts) }
		t.Run(name, func(t *testing.T) {
			sessiontest.Run(t, open, sessiontest.Features{
				CookieBound:    true,
				IgnoresContext: true,
				MaxBytes:       cmp.Or(opts.MaxCookieBytes, session.MaxCookieBytes),
				SynctestBubble: true,
				Peer:           func(t *testing.T, _ session.SessionStore) session.SessionStore { return open(t) },
			})
		})
	}
}
