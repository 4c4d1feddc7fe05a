package signedcookie

import "github.com/gorilla/securecookie"

// secureCookie is the envelope of the Signed and Encrypted schemes.
type secureCookie struct {
	sc *securecookie.SecureCookie
}

func newSecureCookie(secret []byte, encrypted bool) secureCookie {
	var hashKey, blockKey []byte
	if encrypted {
		hashKey = deriveKey(secret, "encrypted hash")
		blockKey = deriveKey(secret, "encrypted block")
	} else {
		hashKey = deriveKey(secret, "signed hash")
	}
	// The payload has its own expiry, and the store its own limit, which counts
	// the cookie's name too.
	sc := securecookie.New(hashKey, blockKey).MaxAge(0).MaxLength(0).SetSerializer(payloadSerializer{})
	return secureCookie{sc}
}

func (e secureCookie) seal(_ *scratch, cookie string, payload []byte) (string, error) {
	return e.sc.Encode(cookie, payload)
}

func (e secureCookie) open(_ *scratch, cookie, value string) (payload []byte, ok bool) {
	err := e.sc.Decode(cookie, value, &payload)
	return payload, err == nil
}

// payloadSerializer hands payloads to securecookie as they are.
type payloadSerializer struct{}

func (payloadSerializer) Serialize(src any) ([]byte, error) { return src.([]byte), nil }

func (payloadSerializer) Deserialize(src []byte, dst any) error {
	*dst.(*[]byte) = src
	return nil
}
