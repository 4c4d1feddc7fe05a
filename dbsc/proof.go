package dbsc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of what a client sends. A proof with an RSA key of 4096 bits has about
// 2600 bytes.
const (
	maxProofBytes = 4096
	minRSABits    = 2048
	maxRSABits    = 4096
	rsaExponent   = 65537 // of every key that a TPM makes
)

// Reasons to refuse a proof. None contains anything of it.
var (
	errProofSize   = errors.New("the proof has more than 4096 bytes")
	errProofFormat = errors.New("not a proof: a JWS of the type dbsc+jwt, signed with ES256 or RS256")
	errProofKey    = errors.New("not a key that is allowed: P-256, or RSA of 2048 to 4096 bits with the exponent 65537")
	errProofSign   = errors.New("the signature does not fit the key")
	errProofAud    = errors.New("the proof was made for another address")
)

// A key is the public key of a device: an *ecdsa.PublicKey on P-256, or an
// *rsa.PublicKey.
type key any

// algorithm returns the only algorithm that a key is used with.
func algorithm(k key) jose.SignatureAlgorithm {
	if _, ok := k.(*rsa.PublicKey); ok {
		return jose.RS256
	}
	return jose.ES256
}

// encodeKey returns a key as it is kept in a binding: a P-256 point, compressed
// (SEC 1, section 2.3.3), or the modulus of an RSA key.
func encodeKey(k key) []byte {
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, x, y
		if err != nil {
			return nil
		}
		return append([]byte{2 | point[64]&1}, point[1:33]...)
	case *rsa.PublicKey:
		return k.N.Bytes()
	}
	return nil
}

// decodeKey is the reverse of encodeKey. The lengths tell the two apart.
func decodeKey(b []byte) (key, error) {
	if len(b) == 33 {
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), b)
		if x == nil {
			return nil, errProofKey
		}
		point := make([]byte, 65)
		point[0] = 4
		x.FillBytes(point[1:33])
		y.FillBytes(point[33:])
		k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil, errProofKey
		}
		return k, nil
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(b), E: rsaExponent}
	return k, checkKey(k)
}

// checkKey reports whether a key is one that is allowed.
func checkKey(k key) error {
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= minRSABits && n <= maxRSABits && k.E == rsaExponent {
			return nil
		}
	}
	return errProofKey
}

// A proof is what a browser has signed.
type proof struct {
	challenge string
	key       key
}

// verify checks a proof (W3C Device Bound Session Credentials, "DBSC Proof JWT
// Syntax"; RFC 7515) against the key of a session, or, if that is nil, against
// the key that the proof has in it. Whether the challenge is one of ours is the
// caller's business. host and path are those of the request.
func verify(text string, k key, host, path string) (proof, error) {
	if len(text) > maxProofBytes {
		return proof{}, errProofSize
	}
	allowed := []jose.SignatureAlgorithm{jose.ES256, jose.RS256}
	if k != nil {
		allowed = []jose.SignatureAlgorithm{algorithm(k)}
	}
	signed, err := jose.ParseSignedCompact(text, allowed)
	if err != nil || len(signed.Signatures) != 1 {
		return proof{}, errProofFormat
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "dbsc+jwt" {
		return proof{}, errProofFormat
	}
	if k == nil {
		if header.JSONWebKey == nil {
			return proof{}, errProofKey
		}
		k = header.JSONWebKey.Key
		if err := checkKey(k); err != nil {
			return proof{}, err
		}
		if string(algorithm(k)) != header.Algorithm {
			return proof{}, errProofKey
		}
	}
	payload, err := signed.Verify(k)
	if err != nil {
		return proof{}, errProofSign
	}
	var claims struct {
		Challenge string          `json:"jti"`
		Audience  json.RawMessage `json:"aud"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return proof{}, errProofFormat
	}
	if claims.Audience != nil && !isAudience(claims.Audience, host, path) {
		return proof{}, errProofAud
	}
	return proof{claims.Challenge, k}, nil
}

// isAudience reports whether an "aud" claim, which browsers of earlier drafts
// send, is the address of the request (RFC 7519, section 4.1.3).
func isAudience(claim json.RawMessage, host, path string) bool {
	var one string
	var several []string
	if json.Unmarshal(claim, &one) == nil {
		several = []string{one}
	} else if json.Unmarshal(claim, &several) != nil {
		return false
	}
	for _, audience := range several {
		if u, err := url.Parse(audience); err == nil && u.Host == host && u.Path == path {
			return true
		}
	}
	return false
}
