package signedcookie

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// dictionaryIDLen is the length of what names a dictionary in a payload: the
// first bytes of its SHA-256.
const dictionaryIDLen = 3

// A dictionary is text that DEFLATE takes as if it had come before each session,
// so that a session's words need not be spelled out.
type dictionary struct {
	words   []byte
	id      [dictionaryIDLen]byte
	builtin bool

	fast, best sync.Pool // of *flate.Writer
}

func newDictionary(words []byte) (*dictionary, error) {
	if len(words) == 0 {
		return nil, errors.New("is empty")
	}
	if len(words) > MaxDictionaryBytes {
		return nil, fmt.Errorf("has %d bytes; a dictionary has at most %d", len(words), MaxDictionaryBytes)
	}
	sum := sha256.Sum256(words)
	return &dictionary{words: bytes.Clone(words), id: [dictionaryIDLen]byte(sum[:])}, nil
}

// builtinWords is the dictionary that is used unless a site has its own: the
// keys and words that sessions are made of, those of rare kinds of session first
// and those of a bare login last. That is because DEFLATE refers to what is
// nearer in fewer bits, and because short sessions are written with the end of
// the dictionary only. Where a key is commonly followed by a packed run, its
// mark is there too.
//
// What is in it are public facts: keys that frameworks and standards document,
// and common words. Nothing is taken from the sessions of a site, and nothing
// from those of bench/testdata/corpus/heldout, which tell what the dictionary is
// worth to sessions that nobody thought of.
//
// It is part of the format and must never change: FORMAT.md gives its hash.
var builtinWords = strings.Join([]string{
	// Words of messages, names and addresses.
	`Please `, ` have been `, ` has been `, `successfully`, ` updated`, ` created`, ` added to your `, ` saved.`,
	` again.`, `You are `, ` the `, ` and `, ` for `, ` with `,
	`https://www.`, `.com/`, `http://localhost:8080/`, `/images/`, `.jpg`, `.png`, `@example.org`, `@gmail.com`,
	`T00:00:00.000Z`, `2025-`, `2026-01-`, `+00:00`,

	// People and addresses.
	`"first_name":"`, `","last_name":"`, `","username":"`, `","email":"`, `","phone_number":"+`,
	`"address":{"line1":"`, `","line2":"`, `","street":"`, `","city":"`, `","state":"`, `","postal_code":"`,
	`","postcode":"`, `","country":"US`,
	`"billing_address":{`, `"shipping_address":{`, `"shipping_method":"standard`, `"payment_method":"card`,
	`"order_id":`,

	// Shops.
	`"coupon":"`, `"discount":0,"`, `"total":"`, `"currency":"USD"`, `"EUR"`, `"variant_id":`, `"sku":"`, `"title":"`,
	`"options":{"size":"`, `","color":"`, `"image":"/media/`, `"qty":1,`,
	`"unit_price":"`, `.00","`, `.99","`, `"price":"`, `"cart":{"items":[{"id":`, `,"product_id":`, `,"name":"`,
	`","quantity":1,"price":"`,

	// OAuth 2.0 (RFC 6749), OpenID Connect and JSON Web Tokens (RFC 7519).
	`{"alg":"RS256","typ":"JWT","kid":"`, `{"iss":"https://`, `","aud":"`, `","sub":"`, `","azp":"`, `,"exp":17`,
	`,"iat":17`, `,"auth_time":17`, `,"nonce":"`, `,"sid":"`, `,"jti":"`,
	`"preferred_username":"`, `"email_verified":true`, `"scope":"openid profile email"`, `"provider":"google`,
	`"token_type":"Bearer"`, `"expires_in":3600,"`, `"expires_at":17`,
	`"id_token":"`, `"refresh_token":"`, `"access_token":"`, `"code_verifier":"`, `"redirect_uri":"`, `"state":"`,

	// What applications remember.
	`"timezone":"Europe/`, `"locale":"en_US"`, `"language":"en"`, `"theme":"dark"`, `"permissions":["`,
	`"roles":["admin"`, `"is_admin":false`, `"last_login":"`, `"created_at":"`,
	`"messages":[{"level":"success","message":"`, `"warning"`, `"error"`,
	`"testcookie":"worked"`, `"_session_flashes":["`, `"_session_expiry":1209600`, `"_session_start":17`,

	// Laravel, Express with Passport, Rails with Devise.
	`"_previous":{"url":"https://`, `"_flash":{"old":[],"new":[]},"url":[],"login_web_`, `"password_hash_web":"$2y$12$`,
	"{\"_token\":\"\xfa\x1e\"",
	`{"cookie":{"originalMaxAge":null,"expires":"2026-`,
	`","secure":true,"httpOnly":true,"path":"/","sameSite":"lax"},"passport":{"user":"`, `"returnTo":"/`,
	"\"csrfSecret\":\"\xfa\x12\"",
	"{\"session_id\":\"\xf8\x10\",\"warden.user.user.key\":[[", `],"$2a$12$`, "\"_csrf_token\":\"\xfa\x20\"",
	`"flash":{"discard":[],"flashes":{"notice":"`,

	// Everybody.
	`"user":{"id":1,"name":"`, `"user_id":`, `"csrf_token":"`, `"next":"/`, `":false,"`, `":true,"`, `":null,"`,
	`":"","`, `"],"`, `"}},"`, `"},{"`, `":[{"`, `":{"`, `":["`,

	// Django.
	`"_messages":"[[\"__json_message\",0,25,\"`, `\",\"\"],[\"`, `\",\"\"]]"}`,
	"{\"_auth_user_id\":\"1\",\"_auth_user_backend\":\"django.contrib.auth.backends.ModelBackend\"," +
		"\"_auth_user_hash\":\"\xf8\x20\",\"_csrftoken\":\"\xfa\x18\"}",
}, "")
