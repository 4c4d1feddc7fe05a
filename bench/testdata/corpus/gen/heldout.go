package main

import (
	"encoding/base64"
	"fmt"
)

// heldOut are the shapes that the built-in dictionary of package signedcookie
// must have nothing from, as the corpus's README tells: frameworks and
// applications whose words it does not know on purpose.
var heldOut = []kind{
	{"anonymous", 60, anonymous},
	{"login-cakephp", 60, loginCakePHP},
	{"login-phoenix", 60, loginPhoenix},
	{"login-authjs", 60, loginAuthJS},
	{"oauth-tokens", 60, oauthTokens},
	{"permissions", 60, permissions},
	{"basket-vi", 60, basketVi},
	{"viewed", 60, viewed},
	{"wizard", 60, wizard},
}

// anonymous is a visitor of a CodeIgniter site whose CSRF protection uses the
// session.
func anonymous(g *generator) []byte {
	return object(
		"__ci_last_regenerate", g.seconds(),
		"_ci_previous_url", "https://reisen.example.net/index.php/"+g.pick("", "kontakt", "angebote/sommer", "hilfe"),
		"csrf_test_name", g.hex(32))
}

// loginCakePHP is a login on a CakePHP site, and a message.
func loginCakePHP(g *generator) []byte {
	return object(
		"Config", object("time", g.seconds()),
		"csrfToken", base64.StdEncoding.EncodeToString(g.bytes(32)),
		"Auth", object("id", g.between(1, 9999), "email", g.person()+"@example.net", "role_id", g.between(1, 5),
			"created", g.time("2006-01-02T15:04:05+00:00"), "modified", g.time("2006-01-02T15:04:05+00:00")),
		"Flash", object("flash", []any{object(
			"message", g.pick("The recipe has been published.", "Good to see you again!",
				"We could not find that page.", "Two photos are still missing."),
			"key", "flash", "element", g.pick("flash/success", "flash/error", "flash/default"), "params", []any{})}))
}

// loginPhoenix is a login on a Phoenix site that phx.gen.auth has set up.
func loginPhoenix(g *generator) []byte {
	token := g.bytes(32)
	return object(
		"_csrf_token", g.base64(18),
		"live_socket_id", "users_sessions:"+base64.URLEncoding.EncodeToString(token),
		"user_remember_me", true,
		"user_return_to", g.pick("/boards", "/boards/17/cards", "/users/settings", "/invitations"),
		"user_token", base64.StdEncoding.EncodeToString(token))
}

// loginAuthJS is a login with a provider, as Auth.js keeps it in a token without
// a database.
func loginAuthJS(g *generator) []byte {
	now := g.seconds()
	name := g.person()
	return object(
		"name", name, "email", name+"@example.net",
		"picture", g.pick("https://lh3.googleusercontent.com/a/"+g.base64(33)+"=s96-c",
			fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", g.between(1000, 99999999))),
		"sub", g.uuid(), "iat", now, "exp", now+2592000, "jti", g.uuid())
}

// oauthTokens are the state and the token that an OAuth 2.0 client keeps while
// its user is away, and after.
func oauthTokens(g *generator) []byte {
	now := g.seconds()
	return object(
		"oauth_state", g.alphanumeric(30),
		"oauth_token", object(
			"access_token", "ya29.a0"+g.base64(150), "expires_in", 3599, "refresh_token", "1//0"+g.base64(72),
			"scope", []string{"https://www.googleapis.com/auth/calendar.readonly", "openid"},
			"token_type", "Bearer", "expires_at", float64(now)+float64(g.between(1, 999999))/1e6))
}

// permissions is what an application for an office, on Yii, remembers of an
// employee.
func permissions(g *generator) []byte {
	var granted []string
	for _, object := range []string{"invoice", "customer", "stock", "payroll", "report", "supplier", "contract"} {
		for _, action := range []string{"view", "edit", "approve", "export"} {
			if g.between(0, 3) == 0 {
				granted = append(granted, object+":"+action)
			}
		}
	}
	return object(
		"__flash", []any{}, "__id", g.between(100, 9999), "__authKey", g.base64(24), "_csrf", g.base64(24),
		"tenant", g.uuid(), "department", g.pick("sales", "warehouse", "finance", "legal", "support"),
		"impersonatedBy", nil, "granted", granted, "secondFactor", g.between(0, 1) == 1)
}

// basketVi is the basket of a Vietnamese supermarket on CodeIgniter.
func basketVi(g *generator) []byte {
	var lines []any
	for _, at := range g.distinct(g.between(2, 5), len(groceries)) {
		lines = append(lines, object("ma", fmt.Sprintf("TP%04d", 13*at), "ten", groceries[at].name, "so_luong",
			g.between(1, 9), "don_gia", groceries[at].price, "ghi_chu", g.pick("", "", "", "Giao buổi sáng",
				"Chọn loại tươi", "Cắt nhỏ giúp em")))
	}
	return object(
		"__ci_last_regenerate", g.seconds(), "csrf_test_name", g.hex(32), "khach", g.uuid(),
		"cua_hang", g.pick("Hải Châu", "Thanh Xuân", "Bình Thạnh", "Ninh Kiều", "Hồng Bàng"), "gio", lines,
		"giao_luc", g.time("02/01/2006 15:04"), "tra_bang", g.pick("tiền mặt", "chuyển khoản"))
}

var groceries = variants([]product{
	{"Gạo tẻ thơm", "98000"}, {"Nước mắm cá cơm", "54000"}, {"Thịt ba chỉ", "87000"}, {"Rau muống", "12000"},
	{"Trứng gà ta", "39000"}, {"Xoài cát Hoà Lộc", "75000"}, {"Bún tươi", "15000"}, {"Đậu phụ", "9000"},
	{"Tôm sú", "132000"}, {"Sữa chua không đường", "27000"}, {"Cải thìa", "14000"}, {"Khoai lang mật", "32000"},
	{"Dầu lạc", "68000"}, {"Mì trứng", "21000"}, {"Cá thu cắt khúc", "118000"}, {"Nấm rơm", "46000"},
}, ", kg", ", gói", ", 300 g")

// viewed are the pages that a visitor of a magazine on Symfony was on.
func viewed(g *generator) []byte {
	var pages []any
	for range g.between(3, 6) {
		topic := g.pick("gardening", "woodwork", "travel", "baking", "astronomy", "cycling", "music", "pets")
		title := g.pick("ten-tips-for-beginners", "what-we-learnt", "a-day-in-the-workshop", "readers-ask",
			"the-tools-you-need", "why-it-matters", "how-much-is-enough", "mistakes-to-avoid", "a-short-history",
			"an-expert-answers", "on-a-small-budget", "the-best-places")
		pages = append(pages, object("path", "/"+topic+"/"+title+"-"+g.number(1000, 9999), "seconds",
			g.between(3, 900)))
	}
	since := g.seconds()
	return object(
		"_sf2_attributes", object("_csrf/https-newsletter", g.base64(32), "visitor", g.uuid(), "pages", pages,
			"paywall", object("left", g.between(0, 5), "shown", g.between(0, 1) == 1)),
		"_sf2_meta", object("u", since+g.between(0, 9999), "c", since, "l", 0))
}

// wizard are the first answers to the questions of an insurer on Symfony.
func wizard(g *generator) []byte {
	since := g.seconds()
	return object(
		"_sf2_attributes", object(
			"_csrf/https-quote", g.base64(32),
			"quote", object(
				"current", g.pick("driver", "cover", "summary"),
				"completed", []string{"vehicle", "usage"},
				"answers", object(
					"vehicle", object("make", g.pick("Škoda", "Renault", "Toyota", "Volvo", "Fiat", "Kia", "Mazda"),
						"year", g.between(1998, 2025), "plate", g.letters(2)+g.number(10, 99)+g.letters(3),
						"value", 500*g.between(4, 60), "parked", g.pick("garage", "street", "driveway", "car park")),
					"usage", object("kilometres", 1000*g.between(3, 40), "commute", g.between(0, 1) == 1,
						"business", false, "drivers", []any{object("born", g.time("02.01.")+g.number(1950, 2006),
							"licence", g.between(0, 40), "claims", g.between(0, 3))})),
				"reference", g.uuid())),
		"_sf2_meta", object("u", since+g.between(0, 9999), "c", since, "l", 0))
}

// seconds returns a moment of January 2026, in seconds since 1970.
func (g *generator) seconds() int { return 1767225600 + g.between(0, 1<<21) }

// person returns the name of an account.
func (g *generator) person() string {
	return g.pick("amara", "bruno", "chloe", "dmitri", "elif", "farid", "greta", "hoang", "ines", "jonas", "kofi",
		"lena", "mateo", "noor", "olga", "pablo") + g.pick(".", "_", "") + g.number(10, 9999)
}
