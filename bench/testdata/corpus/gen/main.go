// Gen makes the files of bench/testdata/corpus in the folder that its argument
// names: go generate ./bench runs it.
//
// The shapes are those of real applications, as the corpus's README tells; those
// of heldout.go are in the folder heldout. The values are made up here. Whatever is random in a real session (hashes,
// tokens, signatures, identifiers) comes from ChaCha8 seeded with the file's
// name, so that the files are the same whenever and wherever they are made.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

func main() {
	write(os.Args[1], kinds)
	write(filepath.Join(os.Args[1], "heldout"), heldOut)
}

func write(dir string, kinds []kind) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	for _, kind := range kinds {
		name := kind.name + ".jsonl"
		g := &generator{src: rand.NewChaCha8(sha256.Sum256([]byte(name)))}
		var b bytes.Buffer // a session a line
		for range kind.lines {
			b.Write(kind.make(g))
			b.WriteByte('\n')
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

type kind struct {
	name  string
	lines int
	make  func(*generator) []byte
}

var kinds = []kind{
	{"visitor", 20, visitor},
	{"login", 40, login},
	{"cart", 60, cart},
	{"checkout", 40, checkout},
	{"flashes", 40, flashes},
	{"oidc", 20, oidc},
	{"large-cart", 30, largeCart},
	{"token-cache", 8, tokenCache},
	{"cart-vi", 40, cartVi},
	{"checkout-ja", 40, checkoutJa},
	{"rails", 40, rails},
	{"laravel", 40, laravel},
	{"express", 40, express},
	{"flask", 40, flask},
	{"spring", 40, spring},
	{"aspnet", 40, aspnet},
	{"auth0", 20, auth0},
	{"checkout-de", 40, checkoutDe},
}

// visitor is somebody who only looked at a form, on a Django site with
// CSRF_USE_SESSIONS.
func visitor(g *generator) []byte {
	return object("_csrftoken", g.alphanumeric(32))
}

// login is what django.contrib.auth.login writes, and the CSRF token.
func login(g *generator) []byte {
	return object(g.djangoLogin(g.userID())...)
}

// cart is a login and the cart of a shop with a few products in it.
func cart(g *generator) []byte {
	user := g.userID()
	fields := g.djangoLogin(user)
	fields = append(fields, "cart", g.cart(user, catalogue, g.between(6, 8)))
	return object(fields...)
}

// largeCart is the cart of somebody who orders for a whole office.
func largeCart(g *generator) []byte {
	user := g.userID()
	fields := g.djangoLogin(user)
	fields = append(fields,
		"cart", g.cart(user, catalogue, g.between(22, 24)),
		"coupon_id", g.between(1, 60))
	return object(fields...)
}

// cartVi is a cart of a Vietnamese shop, and two messages.
func cartVi(g *generator) []byte {
	user := g.userID()
	fields := g.djangoLogin(user)
	n := g.between(3, 5)
	fields = append(fields,
		"cart", g.cart(user, catalogueVi, n),
		"_messages", g.messages(
			fmt.Sprintf("Đã thêm %d sản phẩm vào giỏ hàng.", n),
			g.pick(
				"Mã giảm giá đã được áp dụng.",
				"Đơn hàng trên 500.000 ₫ được miễn phí vận chuyển.",
				"Phiên đăng nhập của bạn sẽ hết hạn sau 15 phút.",
				"Sản phẩm này chỉ còn lại hai chiếc trong kho.")))
	return object(fields...)
}

// checkout is a login in the middle of Oscar's checkout.
func checkout(g *generator) []byte {
	fields := g.djangoLogin(g.userID())
	fields = append(fields,
		"checkout_data", object(
			"shipping", object(
				"new_address_fields", object(
					"title", g.pick("Mr", "Ms", "Mrs", "Dr", ""),
					"first_name", "Jane",
					"last_name", "Doe",
					"line1", fmt.Sprintf("%d %s", g.between(1, 240),
						g.pick("High Street", "Station Road", "Church Lane", "Mill Road", "Park Avenue",
							"Queen Street")),
					"line2", g.pick("", "", "Flat 3", "Floor 2", "c/o Reception"),
					"line3", "",
					"line4", g.pick("Leeds", "Bristol", "Norwich", "Cardiff", "Glasgow", "York"),
					"state", "",
					"postcode", fmt.Sprintf("%s%d %d%s", g.pick("LS", "BS", "NR", "CF", "YO"), g.between(1, 30),
						g.between(1, 9), g.letters(2)),
					"country_id", "GB",
					"phone_number", fmt.Sprintf("+44 20 7946 0%s", g.number(100, 999)),
					"notes", g.pick("", "Please ring the bell twice.", "Leave it with the neighbours.",
						"Deliver after 5 pm.")),
				"method_code", g.pick("__free__", "standard", "express", "no-shipping-required")),
			"billing", object("billing_address_same_as_shipping", g.between(0, 3) > 0),
			"payment", object("method", g.pick("cod", "card", "bank-transfer")),
			"submission", object(
				"order_number", 100000+g.between(0, 99999),
				"basket_id", g.between(1, 99999))))
	return object(fields...)
}

// checkoutJa is the first step of an order form in Japanese, as the wizard of
// django-formtools keeps it.
func checkoutJa(g *generator) []byte {
	fields := g.djangoLogin(g.userID())
	field := func(name, value string) []any {
		return []any{"address-" + name, []string{value}}
	}
	data := []any{
		"csrfmiddlewaretoken", []string{g.alphanumeric(64)},
		"order_wizard-current_step", []string{"address"},
	}
	for _, f := range [][]any{
		field("name", "山田 太郎"),
		field("name_kana", "ヤマダ タロウ"),
		field("postal_code", fmt.Sprintf("%s-%s", g.number(100, 999), g.number(1000, 9999))),
		field("prefecture", g.pick("東京都", "大阪府", "京都府", "北海道", "福岡県", "神奈川県")),
		field("city", g.pick("中央区", "港区", "北区", "西区", "緑区", "東山区")),
		field("street", fmt.Sprintf("%s%d丁目%d番%d号", g.pick("本町", "栄町", "緑ヶ丘", "桜木町", "新町"), g.between(1, 9),
			g.between(1, 30), g.between(1, 20))),
		field("building", g.pick("", "", "第一ビル 3階", "メゾン桜 201号室")),
		field("phone", fmt.Sprintf("03-0000-%s", g.number(1000, 9999))),
		field("note", g.pick("", "不在の場合は宅配ボックスに入れてください。", "午後六時以降に配達をお願いします。", "贈り物用の包装を希望します。")),
	} {
		data = append(data, f...)
	}
	fields = append(fields, "wizard_order_wizard", object(
		"step", "payment",
		"step_data", object("address", object(data...)),
		"step_files", object("address", object()),
		"extra_data", object()))
	return object(fields...)
}

// flashes is a login with messages that the next page will show.
func flashes(g *generator) []byte {
	fields := g.djangoLogin(g.userID())
	texts := []string{
		"Your profile was updated successfully.",
		"The article was added to your reading list. You may edit it again below.",
		"Please correct the error below.",
		"We have sent you a link to confirm your e-mail address.",
		"Your subscription will be renewed on the first of next month.",
		"The password was changed. Sign in again on your other devices.",
		"3 files were uploaded, 1 was skipped because it is already there.",
	}
	first := g.between(0, len(texts)-1)
	n := g.between(2, 4)
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = texts[(first+i)%len(texts)]
	}
	fields = append(fields, "_messages", g.messages(chosen...))
	return object(fields...)
}

// oidc is a login through an identity provider whose tokens the site keeps, as
// mozilla-django-oidc does with OIDC_STORE_ACCESS_TOKEN and
// OIDC_STORE_ID_TOKEN.
func oidc(g *generator) []byte {
	id := g.userID()
	now := 1767225600 + g.between(0, 1<<20)
	issuer := "https://sso.example.com/realms/main"
	accessClaims := object(
		"exp", now+300, "iat", now, "jti", g.uuid(), "iss", issuer, "aud", "account",
		"sub", g.uuid(), "typ", "Bearer", "azp", "shop", "sid", g.uuid(), "scope", "openid email profile")
	idClaims := object(
		"exp", now+300, "iat", now, "jti", g.uuid(), "iss", issuer, "aud", "shop",
		"sub", g.uuid(), "typ", "ID", "azp", "shop", "nonce", g.alphanumeric(32), "sid", g.uuid(),
		"email_verified", true, "preferred_username", "user"+id, "email", "user"+id+"@example.com")
	return object(
		"_auth_user_id", id,
		"_auth_user_backend", "mozilla_django_oidc.auth.OIDCAuthenticationBackend",
		"_auth_user_hash", g.hex(64),
		"oidc_states", object(),
		"oidc_access_token", g.jwt(accessClaims),
		"oidc_id_token", g.jwt(idClaims),
		"oidc_id_token_expiration", float64(now+900)+float64(g.between(1, 999))/1000,
		"oidc_login_next", g.pick("/", "/account/", "/orders/"))
}

// tokenCache is the token cache that Microsoft's library for Python has an
// application keep in its session, one string of JSON: the classic session that
// is too large for a cookie.
func tokenCache(g *generator) []byte {
	uid, tenant, client := g.uuid(), g.uuid(), g.uuid()
	home := uid + "." + tenant
	host := "login.microsoftonline.com"
	now := 1767225600 + g.between(0, 1<<20)
	scope := "email openid profile https://graph.microsoft.com/Calendars.Read https://graph.microsoft.com/User.Read"
	claims := object(
		"aud", "https://graph.microsoft.com", "iss", "https://sts.windows.net/"+tenant+"/",
		"iat", now, "nbf", now, "exp", now+4200, "aio", g.base64(60), "app_displayname", "Portal", "appid", client,
		"ipaddr", "192.0.2.17", "oid", uid, "rh", g.base64(40), "scp", "Calendars.Read email openid profile User.Read",
		"sub", g.base64(32), "tid", tenant, "uti", g.base64(16), "ver", "1.0", "wids", []string{g.uuid()}, "xms_tcdt",
		now-90000000)
	idClaims := object(
		"aud", client, "iss", "https://"+host+"/"+tenant+"/v2.0", "iat", now, "nbf", now, "exp", now+3900,
		"name", "Jane Doe", "nonce", g.hex(64), "oid", uid, "preferred_username", "jane.doe@example.com",
		"rh", g.base64(40), "sub", g.base64(32), "tid", tenant, "uti", g.base64(16), "ver", "2.0")
	ownScope := "api://" + client + "/access_as_user"
	ownClaims := object(
		"aud", "api://"+client, "iss", "https://sts.windows.net/"+tenant+"/",
		"iat", now, "nbf", now, "exp", now+4200, "aio", g.base64(60), "appid", client,
		"oid", uid, "rh", g.base64(40), "scp", "access_as_user", "sub", g.base64(32), "tid", tenant, "uti",
		g.base64(16), "ver", "1.0")
	accessToken := func(scope string, claims []byte) []any {
		return []any{home + "-" + host + "-accesstoken-" + client + "-" + tenant + "-" + scope, object(
			"credential_type", "AccessToken", "secret", g.jwt(claims), "home_account_id", home, "environment", host,
			"client_id", client, "target", scope, "realm", tenant, "token_type", "Bearer",
			"cached_at", fmt.Sprint(now), "expires_on", fmt.Sprint(now+4199), "extended_expires_on",
			fmt.Sprint(now+4199))}
	}
	cache := object(
		"AccessToken", object(append(accessToken(scope, claims), accessToken(ownScope, ownClaims)...)...),
		"Account", object(home+"-"+host+"-"+tenant, object(
			"home_account_id", home, "environment", host, "realm", tenant, "local_account_id", uid,
			"username", "jane.doe@example.com", "authority_type", "MSSTS")),
		"IdToken", object(home+"-"+host+"-idtoken-"+client+"-"+tenant+"-", object(
			"credential_type", "IdToken", "secret", g.jwt(idClaims), "home_account_id", home, "environment", host,
			"realm", tenant, "client_id", client)),
		"RefreshToken", object(home+"-"+host+"-refreshtoken-"+client+"--"+scope, object(
			"credential_type", "RefreshToken", "secret", "1."+g.base64(900), "home_account_id", home, "environment",
			host,
			"client_id", client, "target", scope, "last_modification_time", fmt.Sprint(now))),
		"AppMetadata", object("appmetadata-"+host+"-"+client, object("client_id", client, "environment", host)))
	return object(
		"state", g.uuid(),
		"user", object("name", "Jane Doe", "oid", uid, "preferred_username", "jane.doe@example.com", "tid", tenant),
		"token_cache", string(cache))
}

// rails is a login on a Rails site with Devise.
func rails(g *generator) []byte {
	fields := []any{
		"session_id", g.hex(32),
		"warden.user.user.key", []any{[]int{g.between(1, 99999)}, "$2a$12$" + g.alphanumeric(22)},
		"warden.user.user.session", object("last_request_at", 1767225600+g.between(0, 1<<20)),
		"_csrf_token", g.base64(32),
	}
	if g.between(0, 1) == 1 {
		fields = append(fields, "flash", object("discard", []string{},
			"flashes", object("notice", g.pick("Signed in successfully.", "Your account has been updated successfully.",
				"Post was successfully created."))))
	}
	return object(fields...)
}

// laravel is a login on a Laravel site.
func laravel(g *generator) []byte {
	token := g.alphanumeric(40)
	page := g.pick("", "dashboard", "orders", "orders/"+g.number(100, 9999), "profile")
	route := map[string]any{"": "home", "dashboard": "dashboard", "orders": "orders.index", "profile": "profile.edit"}
	if route[page] == nil {
		route[page] = "orders.show"
	}
	return object(
		"_token", token,
		"_previous", object("url", "https://shop.example.com/"+page, "route", route[page]),
		"_flash", object("old", []string{}, "new", []string{}),
		"url", []string{},
		// The suffix is the SHA-1 of the guard's class name, the same everywhere.
		"login_web_59ba36addc2b2f9401580f014c7f58ea4e30989d", g.between(1, 99999),
		"password_hash_web", "$2y$12$"+g.alphanumeric(53))
}

// express is a login on a site with express-session and Passport.
func express(g *generator) []byte {
	return object(
		"cookie", object(
			"originalMaxAge", 1209600000,
			"expires", fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ", g.between(1, 12), g.between(1, 28),
				g.between(0, 23), g.between(0, 59), g.between(0, 59), g.between(0, 999)),
			"secure", true, "httpOnly", true, "path", "/", "sameSite", "lax"),
		"passport", object("user", g.hex(24)),
		"flash", object(),
		"returnTo", g.pick("/", "/account", "/orders", "/settings/profile"),
		"csrfSecret", g.base64(18))
}

// flask is a login on a Flask site with Flask-Login and Flask-WTF, and sometimes
// a message.
func flask(g *generator) []byte {
	fields := []any{"_fresh", g.between(0, 3) > 0, "_id", g.hex(128), "_user_id", fmt.Sprint(g.between(1, 99999)),
		"csrf_token", g.hex(40)}
	if g.between(0, 1) == 1 {
		fields = append(fields, "_flashes", []any{object(" t", []string{g.pick("message", "success", "error"),
			g.pick("Welcome back.", "Your post is now live!", "Your changes have been saved.")})})
	}
	return object(fields...)
}

// spring is a login on a site with Spring Security, whose objects Spring Session
// keeps as the JSON of Spring Security's own modules for Jackson.
func spring(g *generator) []byte {
	const pkg = "org.springframework.security."
	role := func(name string) json.RawMessage {
		return object("@class", pkg+"core.authority.SimpleGrantedAuthority", "authority", name)
	}
	roles := []any{role("ROLE_USER")}
	if g.between(0, 4) == 0 {
		roles = append(roles, role("ROLE_ADMIN"))
	}
	return object(
		pkg+"web.csrf.HttpSessionCsrfTokenRepository.CSRF_TOKEN", object(
			"@class", pkg+"web.csrf.DefaultCsrfToken", "token", g.uuid(), "parameterName", "_csrf",
			"headerName", "X-CSRF-TOKEN"),
		"SPRING_SECURITY_CONTEXT", object(
			"@class", pkg+"core.context.SecurityContextImpl",
			"authentication", object(
				"@class", pkg+"authentication.UsernamePasswordAuthenticationToken",
				"authorities", []any{"java.util.Collections$UnmodifiableRandomAccessList", roles},
				"details", object("@class", pkg+"web.authentication.WebAuthenticationDetails",
					"remoteAddress", fmt.Sprintf("198.51.100.%d", g.between(1, 254)), "sessionId", g.uuid()),
				"authenticated", true,
				"principal", object(
					"@class", pkg+"core.userdetails.User", "password", nil, "username", "user"+g.number(100, 9999),
					"authorities", []any{"java.util.Collections$UnmodifiableSet", roles},
					"accountNonExpired", true, "accountNonLocked", true, "credentialsNonExpired", true,
					"enabled", true),
				"credentials", nil)))
}

// aspnet is a login on a site with ASP.NET Core Identity, by its claims.
func aspnet(g *generator) []byte {
	const soap = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	name := "user" + g.number(100, 9999) + "@example.com"
	claims := []any{
		object("Type", soap+"nameidentifier", "Value", g.uuid()),
		object("Type", soap+"name", "Value", name),
		object("Type", soap+"emailaddress", "Value", name),
		object("Type", "AspNet.Identity.SecurityStamp", "Value", g.from(upper+"234567", 32)),
		object("Type", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "Value",
			g.pick("Admin", "Manager", "Member")),
	}
	return object("AuthenticationType", "Identity.Application", "IsPersistent", g.between(0, 1) == 1,
		"IssuedUtc", g.time("Mon, 02 Jan 2006 15:04:05 GMT"), "Claims", claims)
}

// auth0 is a login at Auth0 with express-openid-connect.
func auth0(g *generator) []byte {
	now := 1767225600 + g.between(0, 1<<20)
	claims := object(
		"nickname", "jane.doe", "name", "jane.doe@example.com", "picture", "https://s.gravatar.com/avatar/"+g.hex(32)+
			"?s=480&r=pg&d=https%3A%2F%2Fcdn.auth0.com%2Favatars%2Fja.png",
		"updated_at", g.time("2006-01-02T15:04:05.000Z"), "email", "jane.doe@example.com", "email_verified", true,
		"iss", "https://example.eu.auth0.com/", "aud", g.alphanumeric(32), "sub", "auth0|"+g.hex(24), "iat", now,
		"exp", now+36000, "sid", g.alphanumeric(32), "nonce", g.base64(32))
	return object(
		"id_token", g.jwt(claims), "access_token", g.alphanumeric(32), "refresh_token", "v1."+g.base64(40),
		"token_type", "Bearer", "expires_at", now+86400)
}

// checkoutDe is the cart of a shop with WooCommerce in German, whose payment has
// begun with Stripe.
func checkoutDe(g *generator) []byte {
	var items []any
	total := 0
	for _, at := range g.distinct(g.between(1, 3), len(catalogueDe)) {
		p, key, n := catalogueDe[at], g.hex(32), g.between(1, 4)
		var euros, cents int
		fmt.Sscanf(p.price, "%d.%d", &euros, &cents)
		line := n * (100*euros + cents)
		total += line
		items = append(items, key, object(
			"key", key, "product_id", 200+at, "variation_id", 0, "variation", []any{}, "quantity", n,
			"data_hash", g.hex(32), "name", p.name, "line_subtotal", float64(line)/100, "line_tax", 0,
			"line_total", float64(line)/100))
	}
	return object(
		"cart", object(items...),
		"applied_coupons", []any{},
		"chosen_shipping_methods", []string{g.pick("flat_rate:1", "free_shipping:2", "local_pickup:3")},
		"chosen_payment_method", "stripe",
		"customer", object("first_name", "Erika", "last_name", "Mustermann", "address_1",
			g.pick("Hauptstraße", "Bahnhofstraße", "Gartenweg", "Schulstraße")+" "+g.number(1, 120),
			"postcode", g.number(10000, 99999), "city", g.pick("Berlin", "Köln", "München", "Leipzig"),
			"country", "DE", "email", "erika@example.com"),
		"stripe", object("customer", "cus_"+g.alphanumeric(14), "payment_intent", "pi_3"+g.alphanumeric(23)),
		"wc_notices", object("success", []any{object("notice", g.pick(
			"Der Artikel wurde deinem Warenkorb hinzugefügt.", "Der Gutschein wurde erfolgreich angewendet.",
			"Der Warenkorb wurde aktualisiert."), "data", []any{})}))
}

// A product of a shop that is made up.
type product struct{ name, price string }

// catalogue has every article in every variant.
var catalogue = variants(
	[]product{
		{"Ballpoint pen", "1.90"}, {"Coffee beans", "17.50"}, {"USB-C cable", "12.99"}, {"Desk lamp", "39.00"},
		{"Notebook A5", "3.20"}, {"Printer paper", "6.45"}, {"Water bottle", "21.90"}, {"Headphones", "89.00"},
		{"Tea towel", "8.75"}, {"Wall calendar", "11.00"}, {"Desk chair", "149.00"}, {"Whiteboard marker", "1.80"},
		{"Sticky notes", "7.30"}, {"Monitor stand", "45.50"}, {"Keyboard", "62.00"}, {"Mouse pad", "14.20"},
		{"Extension lead", "9.95"}, {"Plant pot", "13.40"}, {"Batteries", "5.60"}, {"Envelopes", "4.15"},
		{"Scissors", "6.80"}, {"Hole punch", "15.75"}, {"Travel mug", "18.60"}, {"Backpack", "74.00"},
		{"Green tea", "10.25"}, {"Hand soap", "3.95"}, {"Light bulb", "4.40"}, {"Webcam", "54.90"},
	},
	"", ", blue", ", grey", ", pack of 10", ", large", ", refill")

var catalogueVi = variants([]product{
	{"Áo thun cổ tròn, màu trắng", "159000"},
	{"Cà phê rang xay, 500 g", "120000"},
	{"Nón lá thủ công", "85000"},
	{"Bình giữ nhiệt inox", "245000"},
	{"Sổ tay bìa cứng", "62000"},
	{"Trà sen Tây Hồ, hộp 100 g", "310000"},
	{"Giày thể thao nữ", "499000"},
	{"Đèn bàn học chống cận", "375000"},
	{"Khăn lụa Vạn Phúc", "420000"},
	{"Bánh đậu xanh, hộp 300 g", "55000"},
}, "", ", loại lớn", ", màu xanh")

var catalogueDe = variants([]product{
	{"Wanderrucksack 30 Liter", "89.95"}, {"Trinkflasche aus Edelstahl", "24.90"}, {"Stirnlampe", "34.50"},
	{"Wollsocken, grau", "12.90"}, {"Taschenmesser", "29.00"}, {"Regenjacke für Damen", "119.00"},
}, "", ", groß", ", klein")

// variants returns each article in each variant.
func variants(articles []product, variants ...string) []product {
	var all []product
	for _, a := range articles {
		for _, v := range variants {
			all = append(all, product{a.name + v, a.price})
		}
	}
	return all
}

// cart returns n different products of a catalogue, in the cart's shape: a
// dictionary by product id.
func (g *generator) cart(user string, catalogue []product, n int) json.RawMessage {
	var entries []any
	for _, at := range g.distinct(n, len(catalogue)) {
		id := 1000 + 37*at
		entries = append(entries, fmt.Sprint(id), object(
			"userid", json.Number(user),
			"product_id", id,
			"name", catalogue[at].name,
			"quantity", g.between(1, 6),
			"price", catalogue[at].price,
			"image", fmt.Sprintf("/media/products/%d.jpg", id)))
	}
	return object(entries...)
}

// djangoLogin returns the keys of a login in the order in which Django writes
// them. They make 220 bytes.
func (g *generator) djangoLogin(user string) []any {
	return []any{
		"_auth_user_id", user,
		"_auth_user_backend", "django.contrib.auth.backends.ModelBackend",
		"_auth_user_hash", g.hex(64),
		"_csrftoken", g.alphanumeric(32),
	}
}

// userID returns two digits, so that sessions of a kind do not differ in size for
// their user ids.
func (g *generator) userID() string { return g.number(10, 99) }

// messages returns texts as django.contrib.messages keeps them in a session: a
// string of JSON inside the JSON.
func (g *generator) messages(texts ...string) string {
	var list []any
	levels := []int{20, 25, 30, 40} // INFO, SUCCESS, WARNING, ERROR
	for _, text := range texts {
		list = append(list, []any{"__json_message", 0, levels[g.between(0, 3)], text, ""})
	}
	return string(encode(list))
}

// jwt returns a signed token (RFC 7519) of the given claims; the signature has
// RS256's size and is random.
func (g *generator) jwt(claims []byte) string {
	header := object("alg", "RS256", "typ", "JWT", "kid", g.alphanumeric(43))
	return base64.RawURLEncoding.EncodeToString(header) + "." +
		base64.RawURLEncoding.EncodeToString(claims) + "." + g.base64(256)
}

// A generator makes the random parts.
type generator struct{ src *rand.ChaCha8 }

// between returns a number from lo to hi, both included.
func (g *generator) between(lo, hi int) int {
	return lo + int(g.src.Uint64()%uint64(hi-lo+1))
}

// number is between, in decimal.
func (g *generator) number(lo, hi int) string { return fmt.Sprint(g.between(lo, hi)) }

// distinct returns k different numbers below n.
func (g *generator) distinct(k, n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	for i := range k {
		j := g.between(i, n-1)
		numbers[i], numbers[j] = numbers[j], numbers[i]
	}
	return numbers[:k]
}

func (g *generator) pick(choices ...string) string {
	return choices[g.between(0, len(choices)-1)]
}

func (g *generator) from(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.between(0, len(alphabet)-1)]
	}
	return string(b)
}

const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func (g *generator) letters(n int) string { return g.from(upper, n) }

func (g *generator) alphanumeric(n int) string {
	return g.from("abcdefghijklmnopqrstuvwxyz"+upper+"0123456789", n)
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	g.src.Read(b)
	return b
}

// hex returns n hexadecimal digits.
func (g *generator) hex(n int) string { return hex.EncodeToString(g.bytes(n / 2)) }

// base64 returns n random bytes in base64url.
func (g *generator) base64(n int) string { return base64.RawURLEncoding.EncodeToString(g.bytes(n)) }

// time returns a moment of the year 2026 in a layout of package time.
func (g *generator) time(layout string) string {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(g.between(0, 365*86400*1000-1)) *
		time.Millisecond).Format(layout)
}

func (g *generator) uuid() string {
	h := g.hex(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// object returns a JSON object of keys and values that alternate, in the order
// given.
func object(keysAndValues ...any) json.RawMessage {
	b := []byte{'{'}
	for i := 0; i < len(keysAndValues); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, encode(keysAndValues[i])...)
		b = append(b, ':')
		b = append(b, encode(keysAndValues[i+1])...)
	}
	return append(b, '}')
}

// encode returns v as compact JSON, with <, > and & as they are: the frameworks
// whose sessions these are do not escape them either.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("gen: " + err.Error()) // every value is made above
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
