package combined

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
)

// What a session leaves behind when it moves has the tokens that were made of it,
// so that a logout with its old token ends them, too. They are the first member of
// the JSON object, each encrypted with a key that is made of the old token: the
// place itself knows but a hash of that, so that nobody who reads it learns them.
//
//	{"_session_moved":"TOKEN.TOKEN","user_id":20}
const movedPrefix = `{"_session_moved":"`

const (
	// maxForwardBytes is the length of a token from which on it is not noted: it
	// is no key of a row then, but the session itself, which no Delete ends.
	maxForwardBytes = 255

	// maxForwards is how many tokens may be made of what a session left behind.
	maxForwards = 32
)

// addForward returns data, a JSON object, with a token that was made of it.
func addForward(data []byte, old, token string) []byte {
	if len(data) < 2 || data[0] != '{' || len(token) > maxForwardBytes {
		return bytes.Clone(data)
	}
	sealed := base64.RawURLEncoding.EncodeToString(forwardCipher(old).Seal(nil, nil, []byte(token), nil))
	b := append(make([]byte, 0, len(data)+len(movedPrefix)+len(sealed)+4), movedPrefix...)
	b = append(b, sealed...)
	if rest, ok := bytes.CutPrefix(data, []byte(movedPrefix)); ok {
		b = append(b, '.')
		return append(b, rest...)
	}
	b = append(b, '"')
	if rest := bytes.TrimLeft(data[1:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		b = append(b, ',')
	}
	return append(b, data[1:]...)
}

// cutForwards takes out of data what addForward has put in.
func cutForwards(data []byte) (rest []byte, sealed []string) {
	b, ok := bytes.CutPrefix(data, []byte(movedPrefix))
	if !ok {
		return data, nil
	}
	list, b, ok := bytes.Cut(b, []byte(`"`))
	if !ok {
		return data, nil
	}
	for part := range bytes.SplitSeq(list, []byte(".")) {
		sealed = append(sealed, string(part))
	}
	b, _ = bytes.CutPrefix(b, []byte(","))
	return append([]byte("{"), b...), sealed
}

// forwards returns the tokens that were made of a session.
func forwards(data []byte, old string) (tokens []string) {
	_, sealed := cutForwards(data)
	for _, text := range sealed {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			continue
		}
		if token, err := forwardCipher(old).Open(nil, nil, raw, nil); err == nil {
			tokens = append(tokens, string(token))
		}
	}
	return tokens
}

func forwardCipher(old string) cipher.AEAD {
	key := sha256.Sum256([]byte("sessionengine/combined: forward\x00" + old))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("combined: cannot happen: the key has the right length")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("combined: cannot happen: AES has the right block size")
	}
	return aead
}
