package django

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// rowSalt is key_salt of django/contrib/sessions/backends/base.py for the
// SessionStore of the engines db and cached_db; legacyRowSalt is that of _hash.
const (
	rowSalt       = "django.contrib.sessions.SessionStore"
	legacyRowSalt = "django.contrib.sessionsSessionStore"
)

// Rows returns options with which a dbstore works on the table of Django's
// engine "django.contrib.sessions.backends.db", django_session: session keys are
// stored as they are, and session_data is signed with the SECRET_KEY.
//
//	opts, err := django.Rows(secretKey, django.Options{})
//	store, err := dbstore.New(db, dbstore.Postgres, opts)
//
// The other fields of the result are the caller's to set.
func Rows(secretKey string, opts Options) (dbstore.Options, error) {
	keys, err := opts.keys(secretKey)
	if err != nil {
		return dbstore.Options{}, err
	}
	limit, err := opts.maxBytes(defaultRowBytes)
	if err != nil {
		return dbstore.Options{}, err
	}
	e := &rowEncoding{signer: newSigner(rowSalt, keys, opts.ReadSHA1, limit), zone: opts.TimeZone}
	if opts.ReadSHA1 {
		for _, key := range keys {
			e.legacy = append(e.legacy, newSaltedHMAC(sha1.New, legacyRowSalt, key))
		}
	}
	return dbstore.Options{RawKeys: true, Encoding: e, TimeZone: opts.TimeZone}, nil
}

// rowEncoding is encode and decode of django/contrib/sessions/backends/base.py.
type rowEncoding struct {
	signer *signer
	legacy []*saltedHMAC  // of the format before Django 3.1; nil if it is not read
	zone   *time.Location // TIME_ZONE without USE_TZ, or nil
}

var _ dbstore.Encoding = (*rowEncoding)(nil)

func (e *rowEncoding) Encode(data []byte) (string, error) {
	text, err := serialize(toLocalTime(data, e.zone), false)
	if err != nil {
		return "", err
	}
	if len(text) > e.signer.limit {
		return "", &session.TooLargeError{Size: len(text), Limit: e.signer.limit}
	}
	// Nobody goes by the timestamp: the row has an expire_date.
	return e.signer.dumps(text, time.Now().Unix()), nil
}

func (e *rowEncoding) Decode(text string) ([]byte, error) {
	var serialized []byte
	var err error
	if strings.Contains(text, ":") || e.legacy == nil {
		serialized, _, err = e.signer.loads(text)
	} else {
		serialized, err = e.legacyLoads(text)
	}
	if err != nil {
		return nil, unreadable(err)
	}
	data, _, err := deserialize(serialized)
	if err != nil {
		return nil, unreadable(err)
	}
	return fromLocalTime(data, e.zone)
}

// legacyLoads is _legacy_decode: base64, of the alphabet with + and /, of an
// HMAC in hexadecimal, a colon and the serialized session.
func (e *rowEncoding) legacyLoads(text string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errSignature
	}
	sum, serialized, ok := strings.Cut(string(b), ":")
	if !ok {
		return nil, errSignature
	}
	for _, mac := range e.legacy {
		if hmac.Equal([]byte(hex.EncodeToString(mac.sum(serialized))), []byte(sum)) {
			if len(serialized) > e.signer.limit {
				return nil, errTooLong
			}
			return []byte(serialized), nil
		}
	}
	return nil, errSignature
}
