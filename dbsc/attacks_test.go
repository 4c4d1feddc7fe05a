package dbsc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sessionengine/dbsc"
	"sessionengine/session"
)

// challengeFor asks for a challenge, as everybody may who has the cookies.
func (b *browser) challengeFor(id string) string {
	b.site.t.Helper()
	resp := b.send("POST", "/dbsc/refresh", http.Header{"Sec-Secure-Session-Id": {id}})
	if resp.status != 403 {
		b.site.t.Fatalf("a refresh without a proof: %d %s", resp.status, resp.body)
	}
	challenge, _, _ := strings.Cut(resp.header.Get("Secure-Session-Challenge"), ";")
	return strings.Trim(challenge, `"`)
}

// compact joins the parts of a JWS that no library would make.
func compact(header, payload string, signature []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(payload)) + "." + encode(signature)
}

func gives(resp response) bool {
	for _, line := range resp.header.Values("Set-Cookie") {
		if strings.HasPrefix(line, dbsc.DefaultCookieName+"=") && !strings.HasPrefix(line, dbsc.DefaultCookieName+"=;") {
			return true
		}
	}
	return false
}

// A thief with a copy of all cookies, the id, and any challenge that they like
// gets no fresh cookie without the key.
func TestRefreshesThatAreRefused(t *testing.T) {
	type scene struct {
		t             *testing.T
		site          *site
		victim, thief *browser
		id            string
		key           *ecdsa.PrivateKey
	}
	own := func(s scene, alg jose.SignatureAlgorithm, key any) string {
		return sign(s.t, key, alg, false, claims{"jti": s.thief.challengeFor(s.id)})
	}
	for name, c := range map[string]struct {
		proof  func(s scene) string
		id     func(s scene) string // the victim's if it is nil
		status int
		event  string
	}{
		"another key": {func(s scene) string { return own(s, jose.ES256, newKey(s.t)) },
			nil, 403, "the signature does not fit the key"},
		"another key, that the proof brings": {func(s scene) string {
			return sign(s.t, newKey(s.t), jose.ES256, true, claims{"jti": s.thief.challengeFor(s.id)})
		}, nil, 403, "the signature does not fit the key"},
		"a key of another type": {func(s scene) string { return own(s, jose.RS256, rsaKey()) },
			nil, 403, "not a proof"},
		"HMAC with the public key": {func(s scene) string {
			public, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
			if err != nil {
				s.t.Fatal(err)
			}
			return own(s, jose.HS256, public)
		}, nil, 403, "not a proof"},
		"no signature": {func(s scene) string {
			return compact(`{"alg":"none","typ":"dbsc+jwt"}`, `{"jti":"`+s.thief.challengeFor(s.id)+`"}`, nil)
		}, nil, 403, "not a proof"},
		"an empty signature": {func(s scene) string {
			return compact(`{"alg":"ES256","typ":"dbsc+jwt"}`, `{"jti":"`+s.thief.challengeFor(s.id)+`"}`, nil)
		}, nil, 403, "the signature does not fit the key"},
		"a signature of zeros": {func(s scene) string {
			return compact(`{"alg":"ES256","typ":"dbsc+jwt"}`, `{"jti":"`+s.thief.challengeFor(s.id)+`"}`, make([]byte, 64))
		}, nil, 403, "the signature does not fit the key"},
		"a signature that is cut": {func(s scene) string { p := own(s, jose.ES256, s.key); return p[:len(p)-4] },
			nil, 403, "the signature does not fit the key"},
		"a changed payload": {func(s scene) string {
			parts := strings.Split(own(s, jose.ES256, s.key), ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"` + s.thief.challengeFor(s.id) + `" }`))
			return strings.Join(parts, ".")
		}, nil, 403, "the signature does not fit the key"},
		"a proof of another type": {func(s scene) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key},
				(&jose.SignerOptions{}).WithType("JWT"))
			if err != nil {
				s.t.Fatal(err)
			}
			signed, err := signer.Sign([]byte(`{"jti":"` + s.thief.challengeFor(s.id) + `"}`))
			if err != nil {
				s.t.Fatal(err)
			}
			text, _ := signed.CompactSerialize()
			return text
		}, nil, 403, "not a proof"},
		"a proof for another address": {func(s scene) string {
			return sign(s.t, s.key, jose.ES256, false,
				claims{"jti": s.thief.challengeFor(s.id), "aud": "https://evil.test/dbsc/refresh"})
		}, nil, 403, "the proof was made for another address"},
		"a challenge that is stale": {func(s scene) string {
			p := own(s, jose.ES256, s.key)
			time.Sleep(61 * time.Second)
			return p
		}, nil, 403, "the challenge is stale"},
		"a challenge that was made up": {func(s scene) string {
			return sign(s.t, s.key, jose.ES256, false, claims{"jti": "made up"})
		}, nil, 403, "the challenge is stale"},
		"no challenge": {func(s scene) string {
			return sign(s.t, s.key, jose.ES256, false, claims{})
		}, nil, 403, "the challenge is stale"},
		"the bound cookie as the challenge": {func(s scene) string {
			return sign(s.t, s.key, jose.ES256, false, claims{"jti": s.victim.cookies[dbsc.DefaultCookieName].value})
		}, nil, 403, "the challenge is stale"},
		"a challenge of another session": {func(s scene) string {
			mallory := s.site.browser(true)
			mallory.get("/login?user=ada") // the same user's
			id, _ := mallory.theOne()
			return sign(s.t, s.key, jose.ES256, false, claims{"jti": mallory.challengeFor(id)})
		}, nil, 403, "the challenge is stale"},
		"another session's id": {func(s scene) string {
			mallory := s.site.browser(true)
			mallory.get("/login?user=mallory")
			id, bound := mallory.theOne()
			return sign(s.t, bound.key, jose.ES256, false, claims{"jti": mallory.challengeFor(id)})
		}, func(s scene) string {
			mallory := s.site.browser(true)
			mallory.get("/login?user=mallory")
			id, _ := mallory.theOne()
			return id
		}, 401, ""},
		"no id": {func(s scene) string { return own(s, jose.ES256, s.key) },
			func(s scene) string { return "" }, 401, ""},
		"a proof that is too long": {func(s scene) string {
			return sign(s.t, s.key, jose.ES256, false,
				claims{"jti": s.thief.challengeFor(s.id), "x": strings.Repeat("x", 4096)})
		}, nil, 403, "the proof has more than 4096 bytes"},
		"the session has ended": {func(s scene) string {
			p := own(s, jose.ES256, s.key)
			s.thief.cookies = map[string]cookie{}
			return p
		}, nil, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store session.SessionStore) {
				s := scene{t: t, site: newSite(t, store, dbsc.Options{})}
				s.victim = s.site.browser(true)
				s.victim.want("/login?user=ada", "welcome")
				var bound *deviceSession
				s.id, bound = s.victim.theOne()
				s.key = bound.key.(*ecdsa.PrivateKey)
				s.thief = s.victim.copy()
				proof := c.proof(s)
				id := s.id
				if c.id != nil {
					id = c.id(s)
				}
				s.site.took()
				resp := s.thief.send("POST", "/dbsc/refresh",
					http.Header{"Sec-Secure-Session-Id": {id}, "Secure-Session-Response": {proof}})
				events := s.site.took()
				if resp.status != c.status || gives(resp) {
					t.Errorf("%d %s, want %d; events: %s", resp.status, resp.body, c.status, events)
				}
				if c.event != "" && !strings.HasPrefix(events, "refused: "+c.event) || c.event == "" && events != "ended" {
					t.Errorf("events: %s, want %q", events, c.event)
				}
				if strings.Contains(s.site.logs.String(), proof) || strings.Contains(s.site.logs.String(), s.id) {
					t.Errorf("the log tells too much: %s", &s.site.logs)
				}
				s.victim.want("/page", `hello "ada"`)
			})
		})
	}
}

// A proof that is sent again within its minute gives the cookie that it gave
// before, and that cookie lives no longer.
func TestAReplayedProofGivesTheSameCookie(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		victim := s.browser(true)
		victim.want("/login?user=ada", "welcome")
		id, bound := victim.theOne()
		thief := victim.copy()
		challengedAt := time.Now()
		header := http.Header{"Sec-Secure-Session-Id": {id}, "Secure-Session-Response": {
			sign(t, bound.key, jose.ES256, false, claims{"jti": victim.challengeFor(id)})}}
		if resp := victim.send("POST", "/dbsc/refresh", header); resp.status != 200 {
			t.Fatal(resp)
		}
		time.Sleep(50 * time.Second)
		if resp := thief.send("POST", "/dbsc/refresh", header); resp.status != 200 {
			t.Fatal(resp)
		}
		if thief.cookies[dbsc.DefaultCookieName] != victim.cookies[dbsc.DefaultCookieName] {
			t.Error("another cookie, or one that lives longer")
		}
		time.Sleep(time.Until(challengedAt.Add(dbsc.MaxLife)))
		thief.want("/page", `hello ""`)
		if resp := thief.send("POST", "/dbsc/refresh", header); resp.status != 403 {
			t.Errorf("after its minute: %d", resp.status)
		}
	})
}

// Forms that a proof and an id may have, of this and of earlier drafts.
func TestRefreshesThatAreAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, engines["signed"](t), dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		id, bound := b.theOne()
		proof := func(c claims) string {
			c["jti"] = b.challengeFor(id)
			return sign(t, bound.key, jose.ES256, false, c)
		}
		for name, h := range map[string][2]string{
			"bare, as Chromium sends it": {id, proof(claims{})},
			"quoted, as the draft says":  {`"` + id + `"`, `"` + proof(claims{}) + `"`},
			"with parameters":            {`"` + id + `";a=1`, `"` + proof(claims{}) + `";b`},
			"with the address":           {id, proof(claims{"aud": "https://site.test/dbsc/refresh"})},
			"with several addresses": {id, proof(claims{"aud": []string{"https://a.test/", "https://site.test/dbsc/refresh"},
				"iat": 1, "authorization": "ac"})},
		} {
			resp := b.send("POST", "/dbsc/refresh",
				http.Header{"Sec-Secure-Session-Id": {h[0]}, "Secure-Session-Response": {h[1]}})
			if resp.status != 200 || !gives(resp) {
				t.Errorf("%s: %d %s; events: %s", name, resp.status, resp.body, s.took())
			}
		}
	})
}

// A session is bound once, to a key that is allowed, by the browser that was
// asked and for the user that it was asked for.
func TestRegistrationsThatAreRefused(t *testing.T) {
	type scene struct {
		t       *testing.T
		site    *site
		browser *browser
		line    string // of the offer
	}
	with := func(s scene, key any, alg jose.SignatureAlgorithm) string {
		return sign(s.t, key, alg, true, claims{"jti": parameter(s.line, "challenge")})
	}
	// jwk returns a proof with any key in it, which was not signed with it.
	jwk := func(s scene, alg, key string) string {
		return compact(fmt.Sprintf(`{"alg":%q,"typ":"dbsc+jwt","jwk":%s}`, alg, key),
			`{"jti":"`+parameter(s.line, "challenge")+`"}`, make([]byte, 64))
	}
	rsaJWK := func(bits uint, exponent string) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return fmt.Sprintf(`{"kty":"RSA","e":%q,"n":%q}`, exponent,
			base64.RawURLEncoding.EncodeToString(n.SetBit(n, 0, 1).Bytes()))
	}
	for name, c := range map[string]struct {
		proof func(s scene) string
		event string
	}{
		"no proof": {func(s scene) string { return "" }, "not a proof"},
		"no key": {func(s scene) string {
			return sign(s.t, newKey(s.t), jose.ES256, false, claims{"jti": parameter(s.line, "challenge")})
		}, "not a key that is allowed"},
		"another curve": {func(s scene) string {
			k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				s.t.Fatal(err)
			}
			return with(s, k, jose.ES384)
		}, "not a proof"},
		"another curve with ES256": {func(s scene) string {
			return jwk(s, "ES256", `{"kty":"EC","crv":"P-384","x":"`+strings.Repeat("A", 64)+`","y":"`+
				strings.Repeat("A", 64)+`"}`)
		}, "not a proof"},
		"a point that is not on the curve": {func(s scene) string {
			x := strings.Repeat("A", 42) + "E"
			return jwk(s, "ES256", `{"kty":"EC","crv":"P-256","x":"`+x+`","y":"`+x+`"}`)
		}, "not a proof"},
		"an RSA key of 1024 bits":  {func(s scene) string { return jwk(s, "RS256", rsaJWK(1024, "AQAB")) }, "not a key"},
		"an RSA key of 2047 bits":  {func(s scene) string { return jwk(s, "RS256", rsaJWK(2047, "AQAB")) }, "not a key"},
		"an RSA key of 4097 bits":  {func(s scene) string { return jwk(s, "RS256", rsaJWK(4097, "AQAB")) }, "not a"},
		"an RSA key of 16384 bits": {func(s scene) string { return jwk(s, "RS256", rsaJWK(16384, "AQAB")) }, "not a"},
		"an exponent of 3":         {func(s scene) string { return jwk(s, "RS256", rsaJWK(2048, "Aw")) }, "not a key"},
		"a signature of another":   {func(s scene) string { return jwk(s, "RS256", rsaJWK(2048, "AQAB")) }, "the signature"},
		"an RSA key with ES256":    {func(s scene) string { return jwk(s, "ES256", rsaJWK(2048, "AQAB")) }, "not a key"},
		"a symmetric key":          {func(s scene) string { return jwk(s, "ES256", `{"kty":"oct","k":"AAAA"}`) }, "not a"},
		"HMAC": {func(s scene) string {
			return sign(s.t, []byte(strings.Repeat("k", 32)), jose.HS256, false,
				claims{"jti": parameter(s.line, "challenge")})
		}, "not a proof"},
		"a private key": {func(s scene) string {
			raw, err := json.Marshal(jose.JSONWebKey{Key: newKey(s.t)})
			if err != nil {
				s.t.Fatal(err)
			}
			return jwk(s, "ES256", string(raw))
		}, "not a proof"},
		"an offer that is stale": {func(s scene) string {
			p := with(s, newKey(s.t), jose.ES256)
			time.Sleep(11 * time.Minute)
			return p
		}, "the challenge is stale"},
		"the challenge of another user": {func(s scene) string {
			mallory := s.site.browser(false)
			s.line = mallory.get("/login?user=mallory").header.Get("Secure-Session-Registration")
			return with(s, newKey(s.t), jose.ES256)
		}, "the challenge is stale"},
		"the challenge of another browser": {func(s scene) string {
			other := s.site.browser(false)
			s.line = other.get("/login?user=ada").header.Get("Secure-Session-Registration")
			return with(s, newKey(s.t), jose.ES256)
		}, "there was no offer"},
		"a browser without the offer": {func(s scene) string {
			delete(s.browser.cookies, dbsc.DefaultCookieName)
			return with(s, newKey(s.t), jose.ES256)
		}, "there was no offer"},
		"nobody is logged in any more": {func(s scene) string {
			s.browser.get("/logout")
			return with(s, newKey(s.t), jose.ES256)
		}, "nobody is logged in"},
		"it is bound already, by a thief": {func(s scene) string {
			s.browser.registerFor(s.line)
			return with(s, newKey(s.t), jose.ES256)
		}, "the session is bound already"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store session.SessionStore) {
				s := scene{t: t, site: newSite(t, store, dbsc.Options{})}
				s.browser = s.site.browser(false)
				s.line = s.browser.get("/login?user=ada").header.Get("Secure-Session-Registration")
				if s.line == "" {
					t.Fatal("no offer")
				}
				proof := c.proof(s)
				s.site.took()
				resp := s.browser.send("POST", "/dbsc/register", http.Header{"Secure-Session-Response": {proof}})
				if events := s.site.took(); resp.status != 403 || gives(resp) ||
					!strings.HasPrefix(events, "refused: "+c.event) {
					t.Errorf("%d %s; events: %s", resp.status, resp.body, events)
				}
				if resp.header.Get("Secure-Session-Challenge") != "" || resp.header.Get("Secure-Session-Registration") != "" {
					t.Errorf("the browser is asked again: %v", resp.header)
				}
			})
		})
	}
}

// The endpoints are for browsers only.
func TestEndpointsTakePostsOnly(t *testing.T) {
	s := newSite(t, engines["memory"](t), dbsc.Options{})
	b := s.browser(true)
	b.want("/login?user=ada", "welcome")
	for _, path := range []string{"/dbsc/register", "/dbsc/refresh"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS"} {
			if resp := b.send(method, path, nil); resp.status != 405 || resp.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: %d", method, path, resp.status)
			}
		}
	}
}
