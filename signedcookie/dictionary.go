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

	best sync.Pool // of *flate.Writer with the words
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

// builtinWords is the dictionary that is used unless a site has its own: the words
// that sessions are made of, least common first, since DEFLATE refers to what is
// nearer in fewer bits. The marks of packing are part of it, where a run
// commonly follows a key.
//
// It is part of the format and must never change: FORMAT.md gives its hash.
var builtinWords = strings.Join([]string{
	// Text.
	`Please `, `have been `, `has been `, `successfully`, ` updated`, ` created`, ` saved.`, ` again`, `Your `, `You `, ` the `, ` and `, ` for `, ` with `, ` your `,
	`https://www.`, `.com/`, `http://localhost:`, `/accounts/`, `/login/`, `?next=/`, `/images/`, `.jpg`, `.png`, `@gmail.com`,
	`T00:00:00Z`, `.000Z`, `2025-`, `2026-0`, `2026-1`, `+00:00`,

	// Addresses and people.
	`","first_name":"`, `","last_name":"`, `","username":"`, `","phone_number":"+`, `","email":"`,
	`"address":{"line1":"`, `","line2":"`, `","street":"`, `","city":"`, `","state":"`, `","postal_code":"`, `","postcode":"`, `","country":"`,
	`"billing_address":{`, `"shipping_address":{`, `"shipping_method":"`, `"payment_method":"`,

	// Shops.
	`"discount":`, `"coupon":"`, `"total":"`, `"currency":"USD"`, `"EUR"`, `"variant_id":`, `"sku":"`, `"title":"`, `"options":{"size":"`, `","color":"`, `"image":"`, `"qty":1,`,
	`"unit_price":"`, `.00","`, `.99","`, `","price":"`, `","quantity":1,"`, `"product_id":`, `"name":"`, `{"id":`, `"cart":{"items":[{"`,

	// OAuth 2.0 and OpenID Connect.
	`"provider":"google","uid":"`, `"alg":"RS256","typ":"JWT","kid":"`, `{"iss":"https://`, `","aud":"`, `","sub":"`, `,"exp":17`, `,"iat":17`, `,"auth_time":17`, `,"nonce":"`, `,"sid":"`, `,"jti":"`,
	`","scope":"openid profile email"`, `"email_verified":true`, `"preferred_username":"`, `,"expires_in":3600`, `,"expires_at":17`, `,"token_type":"Bearer"`,
	`"id_token":"`, `"refresh_token":"`, `"access_token":"`, `"state":"`, `"code_verifier":"`, `"redirect_uri":"`,

	// Session frameworks.
	`"_session_start":17`, `"_session_expiry":1209600`, `"testcookie":"worked"`, `"is_admin":false`, `"roles":["admin"]`, `"permissions":[`, `"theme":"dark"`, `"timezone":"Europe/`, `"locale":"en_US"`, `"language":"en"`,
	`"_messages":"[[\"__json_message\",0,25,\"`, `\",\"\"],[\"`, `\"]]"`, `"_session_flashes":[{"level":"success","message":"`, `"warning"`, `"info"`, `"error"`,
	`"_previous":{"url":"https://`, `"_flash":{"old":[],"new":[]},"`, `"password_hash_web":"$2y$12$`, `"login_web_`, `"_token":"`,
	`{"cookie":{"originalMaxAge":null,"expires":"20`, `","secure":true,"httpOnly":true,"path":"/","sameSite":"lax"},"passport":{"user":"`, `"csrfSecret":"`, `"returnTo":"/`,
	`"warden.user.user.key":[[`, `],"$2a$12$`, `"flash":{"discard":[],"flashes":{"notice":"`, `"_csrf_token":"`, "{\"session_id\":\"\xf8\x10\",\"",
	`"user_id":`, `"user":{"id":`, `"csrf_token":"`, `"next":"/`,
	`":false,"`, `":true,"`, `":null,"`, `":[],"`, `":{},"`, `":"","`, `"],"`, `"},{"`, `"}},"`, `"}`, `":{"`, `":[`,
	"\",\"_auth_user_backend\":\"django.contrib.auth.backends.ModelBackend\",\"_auth_user_hash\":\"\xf8\x20\",\"_csrftoken\":\"\xfa\x18\"}", `{"_auth_user_id":"`,
}, "")
