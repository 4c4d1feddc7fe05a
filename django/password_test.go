package django_test

import (
	"strings"
	"testing"

	"sessionengine/django"
	"sessionengine/internal/testserver"
)

func TestCheckPassword(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		for _, password := range []string{"secret", "", "mật khẩu 🔑", strings.Repeat("long", 100), "with\x00NUL"} {
			var answer struct{ Encoded string }
			p.do("make_password", ask{"password": password, "salt": "aSaltOfDjangosLength22", "iterations": 1000},
				&answer)
			if ok, err := django.CheckPassword(password, answer.Encoded); !ok || err != nil {
				t.Errorf("%q is refused: %v", password, err)
			}
			if ok, err := django.CheckPassword(password+"x", answer.Encoded); ok || err != nil {
				t.Errorf("%qx: %v, %v", password, ok, err)
			}
		}
	})
	const hash = "Nq1bqk0a6Ob8Jx5nQzY8vY3yQd6xv1Jt7uHk2mQ0m3E="
	for _, encoded := range []string{
		"", "plain", "md5$salt$0123", "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
		"pbkdf2_sha1$1$salt$" + hash,
		"pbkdf2_sha256$0$salt$" + hash, "pbkdf2_sha256$1$$" + hash, "pbkdf2_sha256$x$salt$" + hash,
		"pbkdf2_sha256$1$salt$",
		"pbkdf2_sha256$1$salt$" + hash + "$", "PBKDF2_SHA256$1$salt$" + hash,
	} {
		if ok, err := django.CheckPassword("", encoded); ok || err == nil {
			t.Errorf("%q: %v, %v; want an error", encoded, ok, err)
		}
	}
	if ok, err := django.CheckPassword("", "!kJ8Wm2"); ok || err != nil {
		t.Errorf("an unusable password: %v, %v", ok, err)
	}
}
