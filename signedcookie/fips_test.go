package signedcookie_test

import (
	"testing"

	"sessionengine/internal/fipstest"
	"sessionengine/signedcookie"
)

// In Go's FIPS 140-only mode a scheme works or is refused by New: a cookie that
// cannot be opened would count as forged, and log its visitor out.
func TestFIPSOnly(t *testing.T) {
	if !fipstest.Only(t) {
		return
	}
	for _, scheme := range schemes {
		store, err := signedcookie.New(secret(1),
			signedcookie.Options{Scheme: scheme, FallbackSecrets: [][]byte{secret(2)}})
		if scheme == signedcookie.Sealed {
			if err == nil {
				t.Errorf("%v: New accepts what does not work", scheme)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", scheme, err)
			continue
		}
		wantLoad(t, store, save(t, store, `{"a":1}`), `{"a":1}`)
	}
}
