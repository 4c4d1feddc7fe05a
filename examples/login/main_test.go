package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestLogin(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "login.db"),
		sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sessions, err := newSessions(store)
	if err != nil {
		t.Fatal(err)
	}
	site := sessions.Handler(routes(sessions))
	request := func(method, path string, form url.Values, cookie *http.Cookie) *http.Response {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("User-Agent", "Phone")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w.Result()
	}
	account := func(cookie *http.Cookie) int { return request("GET", "/account", nil, cookie).StatusCode }

	resp := request("POST", "/login", url.Values{"user": {"linh"}, "remember": {"on"}}, nil)
	if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge != 30*24*3600 {
		t.Fatalf("the login: %s, %v", resp.Status, resp.Cookies())
	}
	phone := resp.Cookies()[0]
	laptop := sessiontest.Cookie(t, sessions, func(s *session.Session) {
		s.Set("user", "linh")
		s.SetOwner("linh")
		s.SetLabel("Laptop")
	})
	if account(phone) != 200 || account(laptop) != 200 || account(nil) != http.StatusForbidden {
		t.Errorf("logged in: %d, %d; not: %d", account(phone), account(laptop), account(nil))
	}
	devices := func(cookie *http.Cookie) string {
		body, err := io.ReadAll(request("GET", "/devices", nil, cookie).Body)
		if err != nil {
			t.Error(err)
		}
		return string(body)
	}
	list := strings.Fields(devices(laptop))
	if len(list) != 6 || list[1] != "Laptop" || list[2]+list[3] != "(thisdevice)" || list[5] != "Phone" {
		t.Fatalf("the devices: %q", list)
	}
	tablet := sessiontest.Cookie(t, sessions, func(s *session.Session) {
		s.Set("user", "linh")
		s.SetOwner("linh")
		s.SetLabel("Tablet")
	})
	id, _, _ := strings.Cut(devices(tablet), " ")
	if resp := request("POST", "/devices/"+id+"/logout", nil, phone); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("log out another device: %s", resp.Status)
	}
	if account(tablet) != http.StatusForbidden || account(phone) != 200 || devices(nil) != "log in first\n" {
		t.Errorf("after that: %d, %d, %q", account(tablet), account(phone), devices(nil))
	}
	if resp := request("POST", "/logout-everywhere", nil, laptop); resp.StatusCode != 200 {
		t.Errorf("log out everywhere: %s", resp.Status)
	}
	if account(phone) != http.StatusForbidden || account(laptop) != http.StatusForbidden {
		t.Errorf("after that: %d, %d", account(phone), account(laptop))
	}
}
