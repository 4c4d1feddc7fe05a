package dbsc

import (
	"crypto/sha256"
	"strings"
)

// binding is what a bound session knows of it: see [session.Session.SetBinding].
type binding struct {
	id   string // as the browser knows it: see idOf
	user string // what tagOf makes of the user's name
	key  key
}

// bindingVersion begins the text of a binding.
const bindingVersion = "1"

func (b binding) String() string {
	return bindingVersion + "." + b.id + "." + b.user + "." + encoding.EncodeToString(encodeKey(b.key))
}

const tagBytes = 8

var (
	idLength  = encoding.EncodedLen(idBytes)
	tagLength = encoding.EncodedLen(tagBytes)
)

// idOf returns the id of what is bound by an offer: 16 bytes of SHA-256 of the
// offer's cookie, which has 16 random bytes. So that cookie is known again.
func idOf(offer string) string {
	sum := sha256.Sum256([]byte("sessionengine dbsc id " + offer))
	return encoding.EncodeToString(sum[:idBytes])
}

// tagOf returns what stands for a user in a binding, so that one is noticed that
// was made for somebody else: 8 bytes of SHA-256. It keeps no secret.
func tagOf(user string) string {
	sum := sha256.Sum256([]byte("sessionengine dbsc user " + user))
	return encoding.EncodeToString(sum[:tagBytes])
}

// split returns the parts of the text of a binding.
func split(text string) (id, user, key string, ok bool) {
	rest, ok := strings.CutPrefix(text, bindingVersion+".")
	if !ok || len(rest) < idLength+tagLength+2 || rest[idLength] != '.' || rest[idLength+1+tagLength] != '.' {
		return "", "", "", false
	}
	return rest[:idLength], rest[idLength+1:][:tagLength], rest[idLength+tagLength+2:], true
}

// parseBinding reads the text of a binding.
func parseBinding(text string) (b binding, ok bool) {
	var point string
	if b.id, b.user, point, ok = split(text); !ok {
		return binding{}, false
	}
	raw, err := encoding.DecodeString(point)
	if err != nil {
		return binding{}, false
	}
	if b.key, err = decodeKey(raw); err != nil {
		return binding{}, false
	}
	return b, true
}
