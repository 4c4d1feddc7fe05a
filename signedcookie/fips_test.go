package signedcookie_test

import (
	"testing"

	"sessionengine/internal/fipstest"
	"sessionengine/signedcookie"
)

// In Go's FIPS 140-only mode every scheme works. One that did not would have to
// be refused by New: a cookie that cannot be opened counts as forged, and logs
// its visitor out.
func TestFIPSOnly(t *testing.T) {
	if !fipstest.Only(t) {
		return
	}
	for _, scheme := range schemes {
		store, err := signedcookie.New(secret(1),
			signedcookie.Options{Scheme: scheme, FallbackSecrets: [][]byte{secret(2)}})
		if err != nil {
			t.Errorf("%v: %v", scheme, err)
			continue
		}
		wantLoad(t, store, save(t, store, `{"a":1}`), `{"a":1}`)
	}
}
