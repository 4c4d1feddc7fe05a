package sessiontest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// stateless is the least engine that keeps nothing on the server: a token is
// the expiry and the data, signed.
type stateless struct{ limit int }

func newStateless(*testing.T) session.SessionStore { return stateless{limit: 4096} }

var statelessFeatures = sessiontest.Features{IgnoresContext: true, MaxBytes: 4096, SynctestBubble: true,
	Peer: newStatelessPeer}

func newStatelessPeer(t *testing.T, _ session.SessionStore) session.SessionStore {
	return newStateless(t)
}

var strict = base64.RawURLEncoding.Strict()

func (s stateless) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, []byte("a key that is for tests only"))
	mac.Write(body)
	return mac.Sum(body)
}

func (s stateless) Load(_ context.Context, token string) (*session.Record, error) {
	b, err := strict.DecodeString(token)
	// The decoder skips line breaks, which make another token of it.
	if err != nil || len(b) < 8+sha256.Size || strict.EncodedLen(len(b)) != len(token) {
		return nil, session.ErrInvalidToken
	}
	body := b[: len(b)-sha256.Size : len(b)-sha256.Size]
	if !hmac.Equal(s.sign(body), b) {
		return nil, session.ErrInvalidToken
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(body)), 0).UTC()
	if !time.Now().Before(expires) {
		return nil, session.ErrExpired
	}
	return &session.Record{Data: body[8:], Expires: expires}, nil
}

func (s stateless) Save(_ context.Context, _ string, rec *session.Record) (string, error) {
	body := binary.BigEndian.AppendUint64(nil, uint64(rec.Expires.Unix()))
	token := strict.EncodeToString(s.sign(append(body, rec.Data...)))
	if len(token) > s.limit {
		return "", &session.TooLargeError{Size: len(token), Limit: s.limit}
	}
	return token, nil
}

func (s stateless) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.Save(ctx, "", rec)
}

func (s stateless) Delete(context.Context, string) error { return nil }

func TestStateless(t *testing.T) {
	sessiontest.Run(t, newStateless, statelessFeatures)
}
