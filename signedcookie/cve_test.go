package signedcookie_test

import (
	"testing"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

// CVE-2025-47278: with several secrets, cookies were signed with the oldest.
func TestCVE_2025_47278_CookiesAreMadeWithTheFirstSecret(t *testing.T) {
	for _, scheme := range schemes {
		all, err := signedcookie.New(secret(1),
			signedcookie.Options{Scheme: scheme, FallbackSecrets: [][]byte{secret(2), secret(3)}})
		if err != nil {
			t.Fatal(err)
		}
		token := save(t, all, `{"team":"red"}`)
		for i := 1; i <= 3; i++ {
			alone, err := signedcookie.New(secret(i), signedcookie.Options{Scheme: scheme})
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				wantLoad(t, alone, token, `{"team":"red"}`)
			} else {
				wantInvalid(t, alone, token)
			}
		}
	}
}

// CVE-2026-6873: the cookie's name and a salt were joined so that two pairs gave one
// text. FORMAT.md argues that ours give different ones; these are pairs that would
// be alike if the parts were only put together.
func TestCVE_2026_6873_NamesAndContextsAreNotTakenForEachOther(t *testing.T) {
	type pair struct{ context, name string }
	for _, scheme := range schemes {
		stores := make(map[pair]session.SessionStore)
		for _, p := range []pair{{"", "abc"}, {"a", "bc"}, {"ab", "c"}, {"abc", "a"}, {"", "a"}, {"\x00a", "bc"},
			{"a\x00", "bc"}, {"", "a|1"}, {"", "a|1|"}, {"|", "a"}} {
			store, err := signedcookie.New(secret(1), signedcookie.Options{Scheme: scheme, Context: p.context})
			if err != nil {
				t.Fatal(err)
			}
			if stores[p], err = session.ForCookie(store, p.name); err != nil {
				t.Fatal(err)
			}
		}
		for from, a := range stores {
			token := save(t, a, `{"team":"red"}`)
			for to, b := range stores {
				if _, err := b.Load(t.Context(), token); (err == nil) != (from == to) {
					t.Errorf("%v: a cookie for %q is loaded as one for %q: %v", scheme, from, to, err)
				}
			}
		}
	}
}

// Staging and production with one secret.
func TestContextKeepsSitesApart(t *testing.T) {
	for _, scheme := range schemes {
		production := newStore(t, signedcookie.Options{Scheme: scheme, Context: "production"})
		staging := newStore(t, signedcookie.Options{Scheme: scheme, Context: "staging"})
		token := save(t, staging, `{"team":"red"}`)
		wantLoad(t, staging, token, `{"team":"red"}`)
		wantInvalid(t, production, token)
	}
}
