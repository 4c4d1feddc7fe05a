package signedcookie

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"

	"sessionengine/signedcookie/internal/deflate"
)

// dictionaryIDLen is the length of what names a dictionary in a payload: the
// first bytes of its SHA-256.
const dictionaryIDLen = 3

// A dictionary is text that DEFLATE takes as if it had come before each session,
// so that a session's words need not be spelled out.
type dictionary struct {
	words []byte
	id    [dictionaryIDLen]byte

	index   *deflate.Dictionary
	writers sync.Pool // of *flate.Writer
}

func newDictionary(words []byte) (*dictionary, error) {
	if len(words) == 0 {
		return nil, errors.New("is empty")
	}
	if len(words) > MaxDictionaryBytes {
		return nil, fmt.Errorf("has %d bytes; a dictionary has at most %d", len(words), MaxDictionaryBytes)
	}
	d := indexed(bytes.Clone(words))
	sum := sha256.Sum256(words)
	d.id = [dictionaryIDLen]byte(sum[:])
	return d, nil
}

func indexed(words []byte) *dictionary {
	return &dictionary{words: words, index: deflate.NewDictionary(words)}
}

// builtinDictionary returns the built-in dictionary, whose index all stores share.
var builtinDictionary = sync.OnceValue(func() *dictionary { return indexed([]byte(builtinWords)) })

// builtinWords is the dictionary that is used unless a site has its own: the
// keys and words that sessions are made of, those of rare kinds of session first
// and those of a bare login last, since DEFLATE refers to what is nearer in fewer
// bits. Where a key is commonly followed by a packed run, its mark is there too.
//
// What is in it are public facts: keys that frameworks and standards document,
// and common words. Nothing is taken from the sessions of a site, and nothing
// from those of bench/testdata/corpus/heldout, which tell what the dictionary is
// worth to sessions that nobody thought of.
//
// It is part of the format and must never change: FORMAT.md gives its hash.
var builtinWords = strings.Join([]string{
	// Spring Security (SecurityJackson2Modules).
	`{"org.springframework.security.web.csrf.HttpSessionCsrfTokenRepository.CSRF_TOKEN":{"@class":"`,
	`org.springframework.security.web.csrf.DefaultCsrfToken","token":"`, "\xf9",
	`","parameterName":"_csrf","headerName":"X-CSRF-TOKEN"},"SPRING_SECURITY_CONTEXT":{"@class":"`,
	`core.context.SecurityContextImpl","authentication":{"@class":"`,
	`authentication.UsernamePasswordAuthenticationToken","authorities":[`,
	`"java.util.Collections$UnmodifiableRandomAccessList",[{"@class":"`,
	`core.authority.SimpleGrantedAuthority","authority":"ROLE_ADMIN"}]],"details":{`,
	`"@class":"org.springframework.security.web.authentication.WebAuthenticationDetails","remoteAddress":"`,
	`","sessionId":"`, `"},"authenticated":true,"principal":{"@class":"`,
	`core.userdetails.User","password":null,"username":"`,
	`","authorities":["java.util.Collections$UnmodifiableSet",[{`,
	`}]],"accountNonExpired":true,"accountNonLocked":true,"credentialsNonExpired":true,"enabled":true},`,
	`"credentials":null}}}`,

	// ASP.NET Core Identity (ClaimTypes, ClaimsIdentityOptions).
	`AspNet.Identity.SecurityStamp`, `{"AuthenticationType":"Identity.Application","IsPersistent":true,"IssuedUtc":"`,
	` Jan 2026 00:00:00 GMT","Claims":[{"Type":"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/`,
	`nameidentifier","Value":"`, `claims/name","Value":"`, `"},{"Type":"http://schemas.microsoft.com/ws/2008/06/`,
	`identity/claims/role","Value":"`, `claims/emailaddress","Value":"`,

	// WooCommerce, and Stripe's identifiers.
	`"applied_coupons":[],"chosen_shipping_methods":["flat_rate:1"],"chosen_payment_method":"stripe"`,
	`free_shipping:`, `local_pickup:`, `"customer":"cus_`, `"payment_intent":"pi_3`, `"checkout_session":"cs_`,
	`"wc_notices":{"success":[{"notice":"`, `","data":[]}]}`,
	",\"variation_id\":0,\"variation\":[],\"quantity\":1,\"data_hash\":\"\xf8\x10", `,"line_subtotal":`,
	`,"line_tax":0,"line_total":`, "\":{\"key\":\"\xfd",

	// Shops in Vietnamese, German, French, Spanish, Portuguese and Japanese.
	`Đã thêm `, ` sản phẩm `, ` vào giỏ hàng`, `Đơn hàng `, ` đã được `, ` thanh toán`, ` miễn phí `, ` vận chuyển`,
	` số lượng `, ` của bạn`, ` màu `, ` trắng`, ` không `, `Nguyễn `, `Hà Nội`, `Thành phố Hồ Chí Minh`, `phường `,
	`quận `, `đường `, `ương`, `ước`, `iện`, `ạnh`, ` cho `, ` và `, `000 ₫`,
	`straße `, ` Artikel `, ` wurde `, ` Warenkorb `, ` hinzugefügt.`, ` erfolgreich `, `Bestellung`, `Größe`, ` für `,
	` und `, ` der `, `Votre panier`, ` a été ajouté`, `commande`, ` avec succès`, `livraison`, ` de la `, ` les `,
	`Añadido al carrito`, `pedido`, ` con éxito`, `envío`, ` para `, `ção `, ` adicionado ao carrinho`,
	`東京都`, `しました。`, `ください。`, `カート`, `商品`,

	// Words of messages, and of addresses in the web.
	`Please `, ` have been `, ` has been `, `successfully`, ` updated`, ` created`, ` added to your `, ` saved.`,
	` again.`, `You are `, `Welcome back`, ` password `, ` changes `, ` not `, ` this `, ` from `, ` your `, ` the `,
	` and `, ` for `, ` with `, ` to `, ` of `, `ation`, `ing `, `ment `,
	`-the-`, `-and-`, `-for-`, `/products/`, `/category/`, `/search?q=`, `/account/`, `/login`,
	`/checkout/`, `/orders/`,
	`/users/`, `/blog/`, `/index.html`, `/images/`, `.jpg`, `.png`, `https://www.`, `.com/`, `http://localhost:8080/`,
	`@example.org`, `@gmail.com`, `T00:00:00.000Z`, `2030-`, `2029-`, `2028-`, `2027-`, `2026-01-`, `+00:00`,
	` 00:00:00`,

	// People and addresses.
	`"firstName":"`, `","lastName":"`, `"first_name":"`, `","last_name":"`, `","username":"`, `","email":"`,
	`","phone_number":"+`, `","phone":"`, `"address":{"line1":"`, `","line2":"`, `","street":"`, `","city":"`,
	`","state":"`, `","postal_code":"`, `","postcode":"`, `","country":"US`,
	`"billing_address":{`, `"shipping_address":{`, `"shipping_method":"standard`, `"payment_method":"card`,
	`"order_id":`,

	// Shops.
	`"coupon":"`, `"discount":0,"`, `"total":"`, `"currency":"USD"`, `"EUR"`, `"variant_id":`, `"sku":"`, `"title":"`,
	`"options":{"size":"`, `","color":"`, `"image":"/media/`, `"qty":1,`, `"wishlist":[`, `"recently_viewed":[`,
	`"productId":`, `"unit_price":"`, `.00","`, `.99","`, `"price":"`, `"cart":{"items":[{"id":`, `,"product_id":`,
	`,"name":"`, `","quantity":1,"price":"`,

	// OAuth 2.0 (RFC 6749), OpenID Connect and JSON Web Tokens (RFC 7519).
	`{"alg":"HS256","typ":"JWT"}`, `{"alg":"RS256","typ":"JWT","kid":"`, `{"iss":"https://`, `","aud":"`, `","sub":"`,
	"\",\"sub\":\"\xf9\"", `","azp":"`, `"given_name":"`, `","family_name":"`, `","nickname":"`,
	`","picture":"https://`, `,"updated_at":"`, ",\"iat\":\xfe\x04,\"exp\":\xfe\x04,\"auth_time\":\xfe\x04",
	`,"nonce":"`,
	`,"sid":"`, ",\"jti\":\"\xf9\"",
	`"preferred_username":"`, `"email_verified":true`, `"scope":"openid profile email"`, `"provider":"google`,
	`"token_type":"Bearer"`, `"expires_in":3600,"`, "\"expires_at\":\xfe\x04", `"accessToken":"`, `"refreshToken":"`,
	`"id_token":"`, `"refresh_token":"`, `"access_token":"`, `"code_verifier":"`, `"redirect_uri":"`, `"state":"`,

	// What applications remember.
	`"ip_address":"192.168.`, `"user_agent":"Mozilla/5.0 (`, "\"last_activity\":\xfe\x04", `"utm_source":"`,
	`"referrer":"`, `"query":"`, `"filters":{"`, `"sort":"`, `"page":1`, `"search":"`, `"errors":{"`, `"step":1`,
	`"form":{"`, `"data":{"`, `"description":"`, `"type":"`, `"status":"active"`, `"label":"`, `"code":"`, `"count":1`,
	"\"tenant_id\":\"\xf9\"", "\"organization\":\"", `"loggedIn":true`, `"logged_in":true`, `"isAdmin":false`,
	`"userId":"`, `"createdAt":"2026-`, `"expiresAt":"`,
	`"timezone":"Europe/`, `"locale":"en_US"`, `"language":"en"`, `"lang":"`, `"theme":"dark"`, `"permissions":["`,
	`"roles":["admin"`, `"role":"user"`, `"is_admin":false`, `"last_login":"`, `"updated_at":"2026-`,
	`"created_at":"2026-`, `"messages":[{"level":"success","message":"`, `"warning"`, `"error"`,
	`"testcookie":"worked"`,

	// Flask with Flask-Login, Laravel, Express with Passport, Rails with Devise.
	"{\"_fresh\":true,\"_id\":\"\xf8\x40\",\"_user_id\":\"1\",\"csrf_token\":\"\xf8\x14\",",
	`"_flashes":[{" t":["message","`,
	`"_previous":{"url":"https://`, `","route":"`, `"_flash":{"old":[],"new":[]},"url":[],"login_web_`,
	`59ba36addc2b2f9401580f014c7f58ea4e30989d":`, `"password_hash_web":"$2y$12$`, "{\"_token\":\"\xfa\x1e\"",
	`{"cookie":{"originalMaxAge":null,"expires":"2026-`,
	`","secure":true,"httpOnly":true,"path":"/","sameSite":"lax"},"passport":{"user":"`, `"returnTo":"/`,
	"\"csrfSecret\":\"\xfa\x12\"",
	"{\"session_id\":\"\xf8\x10\",\"warden.user.user.key\":[[", `],"$2a$12$`,
	"\"warden.user.user.session\":{\"last_request_at\":\xfe\x04},", "\"_csrf_token\":\"\xfa\x20\"",
	`"flash":{"discard":[],"flashes":{"notice":"`,

	// Everybody.
	`"user":{"id":1,"name":"`, `"user_id":`, `"csrf_token":"`, `"next":"/`, `":false,"`, `":true,"`, `":null,"`,
	`":"","`, `"],"`, `"}},"`, `"},{"`, `":[{"`, `":{"`, `":["`, "\":\"\xf8\x10\",\"", "\":\"\xf9\",\"",
	"\":\xfe\x04,\"",

	// Packages session and revocation.
	"{\"_session_id\":\"\xf8\x13.", `"_session_flashes":["`, `,"_session_expiry":1209600`,
	"{\"_session_id\":\"\xf8\x0d\",\"_session_start\":\xfe\x04,\"_session_owner\":\"", `","_session_label":"`,

	// Django.
	`"_messages":"[[\"__json_message\",0,25,\"`, `\",\"\"],[\"`, `\",\"\"]]"}`,
	"{\"_auth_user_id\":\"1\",\"_auth_user_backend\":\"django.contrib.auth.backends.ModelBackend\"," +
		"\"_auth_user_hash\":\"\xf8\x20\",\"_csrftoken\":\"\xfa\x18\"}",
}, "")
