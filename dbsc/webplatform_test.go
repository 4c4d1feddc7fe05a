package dbsc_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sessionengine/dbsc"
)

// The web platform's tests of the feature
// (https://github.com/web-platform-tests/wpt, device-bound-session-credentials)
// are about browsers. These are what their servers do, and ours has to, under
// the names that they have there.
func TestWebPlatform(t *testing.T) {
	type instructions struct {
		ID         string `json:"session_identifier"`
		RefreshURL string `json:"refresh_url"`
		Continue   *bool  `json:"continue"`
		Scope      struct {
			Origin      string
			IncludeSite *bool                                 `json:"include_site"`
			Rules       []struct{ Type, Domain, Path string } `json:"scope_specification"`
		}
		Credentials []struct{ Type, Name, Attributes string }
	}
	refresh := func(b *browser, c claims) response {
		id, bound := b.theOne()
		return b.send("POST", "/dbsc/refresh", http.Header{"Sec-Secure-Session-Id": {id},
			"Secure-Session-Response": {sign(b.site.t, bound.key, jose.ES256, false, c)}})
	}
	for name, test := range map[string]func(t *testing.T, s *site, b *browser){
		"create-session: the server has the key, and the session its cookie": func(t *testing.T, s *site, b *browser) {
			b.want("/secure", "for your device only")
		},
		"create-session: of several sessions each has its own": func(t *testing.T, s *site, b *browser) {
			other := s.browser(true)
			other.want("/login?user=ada", "welcome")
			other.want("/secure", "for your device only")
			one, _ := b.theOne()
			if two, _ := other.theOne(); one == two {
				t.Error("two sessions have one id")
			}
		},
		"credentials-matching: the attributes are those of the cookie": func(t *testing.T, s *site, b *browser) {
			// What the browser of these tests compares after each registration.
			time.Sleep(dbsc.MaxLife)
			b.want("/page", `hello "ada"`)
		},
		"include-site, set-scope-origin, set-scope-specification": func(t *testing.T, s *site, b *browser) {
			id, _ := b.theOne()
			resp := refresh(b, claims{"jti": b.challengeFor(id)})
			var in instructions
			if err := json.Unmarshal([]byte(resp.body), &in); err != nil {
				t.Fatal(err)
			}
			if in.Scope.Origin != "" || in.Scope.IncludeSite == nil || *in.Scope.IncludeSite {
				t.Errorf("the scope is not the origin that registered: %s", resp.body)
			}
			paths := map[string]bool{}
			for _, rule := range in.Scope.Rules {
				if rule.Type != "exclude" || rule.Domain != "*" {
					t.Errorf("a rule: %v", rule)
				}
				paths[rule.Path] = true
			}
			if !paths["/dbsc"] || !paths["/static"] || len(paths) != 2 {
				t.Errorf("the rules are of %v", paths)
			}
		},
		"not-secure-connection: the cookie is for HTTPS only": func(t *testing.T, s *site, b *browser) {
			id, _ := b.theOne()
			for _, line := range refresh(b, claims{"jti": b.challengeFor(id)}).header["Set-Cookie"] {
				if !strings.Contains(line, "; Secure") {
					t.Errorf("%s", line)
				}
			}
		},
		"refresh-does-not-send-challenge: without one a refresh gets one": func(t *testing.T, s *site, b *browser) {
			if resp := refresh(b, claims{}); resp.status != 403 || resp.header.Get("Secure-Session-Challenge") == "" {
				t.Errorf("%d %v", resp.status, resp.header)
			}
		},
		"refresh-replaces-config: each refresh has it, with the same id": func(t *testing.T, s *site, b *browser) {
			id, _ := b.theOne()
			var in instructions
			if err := json.Unmarshal([]byte(refresh(b, claims{"jti": b.challengeFor(id)}).body), &in); err != nil ||
				in.ID != id || in.RefreshURL != "/dbsc/refresh" || len(in.Credentials) != 1 {
				t.Errorf("%v %v", in, err)
			}
		},
		"refresh-with-continue-false: a session that has ended is over": func(t *testing.T, s *site, b *browser) {
			b.get("/logout")
			id, bound := b.theOne()
			if resp := b.refresh(id, bound); resp.status != 401 || len(b.sessions) != 0 {
				t.Errorf("%d", resp.status)
			}
		},
		"set-authorization: a claim that nobody asked for is ignored": func(t *testing.T, s *site, b *browser) {
			id, _ := b.theOne()
			if resp := refresh(b, claims{"jti": b.challengeFor(id), "authorization": "ac"}); resp.status != 200 {
				t.Errorf("%d", resp.status)
			}
		},
		"set-early-challenge: a challenge that the browser has already will do": func(t *testing.T, s *site, b *browser) {
			id, _ := b.theOne()
			challenge := b.challengeFor(id)
			time.Sleep(30 * time.Second)
			if resp := refresh(b, claims{"jti": challenge}); resp.status != 200 {
				t.Errorf("%d", resp.status)
			}
		},
		"clear-site-data: a browser that has forgotten all logs in anew": func(t *testing.T, s *site, b *browser) {
			b.cookies, b.sessions = map[string]cookie{}, map[string]*deviceSession{}
			b.want("/page", `hello ""`)
			b.want("/login?user=ada", "welcome")
			b.want("/secure", "for your device only")
		},
		"clear-site-data: one that has lost its keys only, too": func(t *testing.T, s *site, b *browser) {
			b.sessions = map[string]*deviceSession{}
			time.Sleep(dbsc.MaxLife)
			b.want("/page", `hello ""`)
			b.want("/login?user=ada", "welcome")
			time.Sleep(dbsc.MaxLife)
			b.want("/secure", "for your device only")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, engines["dbstore"](t), dbsc.Options{Exclude: []string{"/static"}})
				b := s.browser(true)
				b.want("/login?user=ada", "welcome")
				test(t, s, b)
			})
		})
	}
}
