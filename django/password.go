package django

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// CheckPassword reports whether password is the one that encoded, the column
// "password" of auth_user, was made of by PBKDF2PasswordHasher, Django's default
// (django/contrib/auth/hashers.py; RFC 8018, section 5.2):
//
//	pbkdf2_sha256$iterations$salt$hash
//
// A password that Django calls unusable, which begins with an exclamation mark,
// is nobody's. Anything else is an error, so that users with another hasher are
// not taken for ones who have mistyped. As the iterations show, it takes a good
// part of a second: limit how often a client may try. Unlike Django it does not
// encode the password again when the site's iterations have been raised.
func CheckPassword(password, encoded string) (bool, error) {
	if strings.HasPrefix(encoded, "!") {
		return false, nil
	}
	parts := strings.Split(encoded, "$")
	if len(parts) != 4 || parts[0] != "pbkdf2_sha256" {
		return false, errors.New("django: the password was not encoded by PBKDF2PasswordHasher")
	}
	iterations, err := strconv.Atoi(parts[1])
	want, err2 := base64.StdEncoding.Strict().DecodeString(parts[3])
	if err != nil || err2 != nil || iterations < 1 || parts[2] == "" || len(want) != sha256.Size {
		return false, errors.New("django: the encoded password cannot be read")
	}
	got, err := pbkdf2.Key(sha256.New, password, []byte(parts[2]), iterations, sha256.Size)
	if err != nil {
		return false, err
	}
	return hmac.Equal(got, want), nil
}
