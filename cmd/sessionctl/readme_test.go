package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/signedcookie"
)

var updateREADME = flag.Bool("update", false, "write what the commands print into README.md")

// TestREADME runs the commands in README.md and compares what they print with
// what is printed there.
func TestREADME(t *testing.T) {
	readme, err := filepath.Abs("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	cryptotest.SetGlobalRandom(t, 1) // for the same IDs
	shown := make(map[string]bool)
	synctest.Test(t, func(t *testing.T) { // for a clock that always shows the same
		prepareOwner(t)
		time.Sleep(time.Until(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)))
		prepareREADME(t)
		now := regexp.MustCompile("(?s)```console\n(.*?)```").ReplaceAllStringFunc(string(text),
			func(block string) string {
				var out strings.Builder
				out.WriteString("```console\n")
				for line := range strings.Lines(block) {
					command, ok := strings.CutPrefix(line, "$ ")
					if !ok {
						continue
					}
					if out.Len() > len("```console\n") {
						out.WriteString("\n")
					}
					fmt.Fprintf(&out, "%s%s", line, runLine(t, command))
					shown[strings.TrimSpace(command)] = true
				}
				return out.String() + "```"
			})
		switch {
		case now == string(text):
		case *updateREADME:
			if err := os.WriteFile(readme, []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("README.md does not show what the commands print now:\n%s\n(go test -run README -update writes it)", now)
		}
	})
	for _, c := range commands {
		if help := "sessionctl " + c.name + " -h"; !shown[help] {
			t.Errorf("README.md does not show %q", help)
		}
	}
}

// runLine runs a command line as a shell does that knows nothing but "<".
func runLine(t *testing.T, line string) string {
	t.Helper()
	line, file, redirected := strings.Cut(strings.TrimSpace(line), " < ")
	var stdin []byte
	if redirected {
		var err error
		if stdin, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	args := strings.Fields(line)
	if args[0] != "sessionctl" {
		t.Fatalf("README.md has a command that is not sessionctl: %q", line)
	}
	out, err := execute(t.Context(), nil, string(stdin), args[1:]...)
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return out
}

// prepareOwner lets somebody log in on three days.
func prepareOwner(t *testing.T) {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 5, 27, 8, 30, 12, 0, time.UTC)))
	store, err := sqlite.Open(t.Context(), "shop.db", sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, label := range []string{"Firefox on Linux", "Safari on iPhone", "\u202eFirefox"} {
		if _, err := saveOwned(store, "alice", label, 14*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Hour)
	}
}

func prepareREADME(t *testing.T) {
	t.Helper()
	const cart = `{"user_id":20,"team":"red","cart":[{"sku":"B-52","n":2}]}`
	old, key := "b2NjYXNpb25hbGx5IHJlcGxhY2VkIHNlY3JldCBObzEK", "django-insecure-7w!x0q^m1)y@s2u$k"
	var err error
	save := func(file string, token string, saveErr error) {
		t.Helper()
		if saveErr == nil {
			saveErr = os.WriteFile(file, []byte(token), 0o600)
		}
		if saveErr != nil {
			t.Fatal(saveErr)
		}
	}
	for range 3 {
		_, err = saveRow("sessions.db", dbstore.Options{}, cart, -time.Hour)
	}
	save("secrets.txt", "bm90IHVzZWQgeWV0LCBidXQgc29vbiB0byBiZSBzbwo=\n"+old, err)
	save("key.txt", key, nil)

	token, err := saveRow("sessions.db", dbstore.Options{}, cart, 13*24*time.Hour)
	save("row.txt", token, err)
	token, err = saveCookie(signedcookie.Options{Scheme: signedcookie.Sealed}, old, cart, 13*24*time.Hour)
	save("cookie.txt", token, err)

	const login = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}`
	cookies, err := django.NewCookieStore(key, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err = saveIn(cookies, login, 13*24*time.Hour)
	save("djangocookie.txt", token, err)
	opts, err := django.Rows(key, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err = saveRow("django.db", opts, login, 13*24*time.Hour)
	save("djangorow.txt", token, err)
}
