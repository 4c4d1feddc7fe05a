package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// execute runs the program within the test.
func execute(ctx context.Context, env map[string]string, stdin string, args ...string) (stdout string, err error) {
	var out bytes.Buffer
	err = run(ctx, args, &system{
		getenv: func(name string) string { return env[name] },
		stdin:  strings.NewReader(stdin),
		stdout: &out,
		stderr: &out,
	})
	return out.String(), err
}

func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want int
	}{
		{[]string{"-h"}, 0},
		{[]string{"show", "-h"}, 0},
		{nil, 2},
		{[]string{"frobnicate"}, 2},
		{[]string{"migrate"}, 2},
		{[]string{"migrate", "-db"}, 2},
		{[]string{"migrate", "-db", "oracle://host"}, 2},
		{[]string{"migrate", "-db", "sqlite:/nowhere/at/all.db"}, 1},
		{[]string{"clearsessions", "-db", "sqlite:/nowhere/at/all.db"}, 1},
		{[]string{"clearsessions", "token"}, 2},
		{[]string{"show", "-db", "sqlite:/nowhere/at/all.db"}, 2}, // and no token
		{[]string{"list", "-db", "sqlite:/nowhere/at/all.db"}, 2}, // and no owner
		{[]string{"list", "-db", "sqlite:/nowhere/at/all.db", "-owner", "alice"}, 1},
		{[]string{"revoke", "-db", "sqlite:/nowhere/at/all.db"}, 2}, // and no token
		{[]string{"revoke", "-db", "sqlite:/nowhere/at/all.db", "-all"}, 2},
		{[]string{"revoke", "-db", "sqlite:/nowhere/at/all.db", "-owner", "alice"}, 2},
		{[]string{"revoke", "-db", "sqlite:/nowhere/at/all.db", "-owner", "alice", "-all"}, 1},
		{[]string{"revoke", "-owner", "alice", "-all"}, 2}, // and no database
		{[]string{"revocations"}, 2},
		{[]string{"revocations", "-db", "sqlite:/nowhere/at/all.db"}, 1},
		{[]string{"revocations", "-db", "sqlite:/nowhere/at/all.db", "-migrate"}, 1},
		{[]string{"revocations", "-db", "sqlite:/nowhere/at/all.db", "-migrate", "-clear"}, 2},
	} {
		_, err := execute(t.Context(), nil, "", tc.args...)
		if got := exitStatus(err); got != tc.want {
			t.Errorf("sessionctl %q: the status is %d (%v), want %d", tc.args, got, err, tc.want)
		}
	}
}

func TestInterruptedCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	if _, err := saveRow(path, dbstore.Options{}, `{"a":1}`, -time.Hour); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := execute(ctx, nil, "", "clearsessions", "-db", "sqlite:"+path)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "clearsessions: interrupted: ") ||
		exitStatus(err) != 1 {
		t.Errorf("got %v", err)
	}
	if out, err := execute(t.Context(), nil, "", "clearsessions", "-db", "sqlite:"+path); err != nil ||
		out != "deleted 1 expired session\n" {
		t.Errorf("afterwards: %q, %v", out, err)
	}
}

func TestTokenIsTooLong(t *testing.T) {
	_, err := execute(t.Context(), nil, strings.Repeat("a", maxToken+1), "show")
	if exitStatus(err) != 2 || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %.100v", err)
	}
	if long := strings.Repeat("a", 100); strings.Contains(err.Error(), long) {
		t.Error("the error contains the token")
	}
}

// Sites have limits of their own.
func TestShowOfALargeSession(t *testing.T) {
	const secret = "b2NjYXNpb25hbGx5IHJlcGxhY2VkIHNlY3JldCBObzEK"
	large := signedcookie.Options{MaxDataBytes: 1 << 20}
	token, err := saveCookie(large, secret, `{"note":"`+strings.Repeat("a", 200_000)+`"}`, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	out, err := execute(t.Context(), map[string]string{secretVariable: secret}, token, "show")
	if err != nil || !strings.Contains(out, "200002  note\n") {
		t.Errorf("got %q, %v", out, err)
	}
}

// Django before version 3.1 wrote base64 of an HMAC with SHA-1, a colon, and the
// session (SessionBase._legacy_encode).
func TestShowOfAnOldRowOfDjango(t *testing.T) {
	const secretKey, key = "django-insecure-7w!x0q^m1)y@s2u$k", "d0zqf0s6t4w1m3x9k5y7b2c8a1e6g4h0"
	const data = `{"_auth_user_id":"1"}`
	macKey := sha1.Sum([]byte("django.contrib.sessionsSessionStore" + secretKey))
	mac := hmac.New(sha1.New, macKey[:])
	mac.Write([]byte(data))
	text := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%x:%s", mac.Sum(nil), data))

	path := filepath.Join(t.TempDir(), "django.db")
	if _, err := execute(t.Context(), nil, "", "migrate", "-db", "sqlite:"+path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO django_session VALUES (?, ?, '2999-01-01 00:00:00')", key, text); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t.Context(), map[string]string{secretVariable: secretKey}, key, "show", "-db", "sqlite:"+path,
		"-django")
	if err != nil || !strings.Contains(out, "3      _auth_user_id\n") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestReadFailure(t *testing.T) {
	failure := errors.New("the pipe is broken")
	err := run(t.Context(), []string{"show"},
		&system{stdin: failing{failure}, stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)})
	if !errors.Is(err, failure) || exitStatus(err) != 1 {
		t.Errorf("got %v, want %v", err, failure)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestWriteFailure(t *testing.T) {
	failure := errors.New("the disk is full")
	if err := describe(failingWriter{failure}, "somewhere", &session.Record{Data: []byte(`{"a":1}`)},
		false); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
}

func TestWriteFailureOfAList(t *testing.T) {
	failure := errors.New("the disk is full")
	for _, infos := range [][]session.SessionInfo{nil, {{ID: "1"}}} {
		if err := printInfos(failingWriter{failure}, infos); !errors.Is(err, failure) {
			t.Errorf("%d sessions: got %v, want %v", len(infos), err, failure)
		}
	}
}

// A label takes one line of the table, whatever a visitor has put into it.
func FuzzPrintInfos(f *testing.F) {
	for _, label := range []string{"", "Firefox on Linux", "\x1b[2J", "a\nb\tc\vd\fe", "\u202e\u009b", "\xff", `"`} {
		f.Add(label)
	}
	f.Fuzz(func(t *testing.T, label string) {
		var out bytes.Buffer
		if err := printInfos(&out, []session.SessionInfo{{ID: "1", Label: label}, {ID: "2"}}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[2], "2 ") {
			t.Fatalf("there are not two sessions in %q", out.String())
		}
		for _, r := range strings.Join(lines, "") {
			if !strconv.IsPrint(r) {
				t.Fatalf("the character %U is printed in %q", r, out.String())
			}
		}
	})
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		values     bool
		want       []string // lines, without what comes before the keys
	}{
		{"nothing in it", `{}`, true, []string{"data  2 bytes", "keys  0"}},
		{
			"the order of the session", `{"b":1,"a":[1, 2],"_session_start":1750000000}`, true,
			[]string{"data  46 bytes", "keys  3", "", "BYTES  KEY  VALUE", "1  b  1", "6  a  [1,2]",
				"10  _session_start  1750000000"},
		},
		{
			"a key twice", `{"a":1,"a":2}`, false,
			[]string{"data  13 bytes", "keys  2", "", "BYTES  KEY", "1  a", "1  a"},
		},
		{
			"characters that would do something to a terminal",
			`{"\u001b[31m":"\u001b[0m","é\u202e":"` + "\u009b\u202e日本\U000e0001" + `","":"a b","\"q":0}`, true,
			[]string{
				"data  72 bytes", "keys  4", "", "BYTES  KEY  VALUE",
				`11  "\x1b[31m"  "\u001b[0m"`,
				`17  "é\u202e"  "\u009b\u202e日本\udb40\udc01"`,
				`5  ""  "a b"`,
				`1  "\"q"  0`,
			},
		},
		{"no object", `[1]`, true, []string{"data  3 bytes, but no JSON object; for rows that Django writes, give " +
			"-django"}},
		{"half an object", `{"a":`, true, []string{"data  5 bytes, but no JSON object; for rows that Django writes, " +
			"give -django"}},
		{"an object and more", `{"a":1}x`, true, []string{"data  8 bytes, but no JSON object; for rows that Django " +
			"writes, give -django"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			rec := &session.Record{Data: []byte(tc.data), Expires: time.Now().Add(time.Hour)}
			if err := describe(&out, "somewhere", rec, tc.values); err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				got = append(got, collapse(line))
			}
			if len(got) < 2 || got[0] != "kept as  somewhere" || !strings.HasPrefix(got[1], "expires  ") {
				t.Fatalf("got\n%s", out.String())
			}
			if fmt.Sprintf("%q", got[2:]) != fmt.Sprintf("%q", tc.want) {
				t.Errorf("got\n%q, want\n%q", got[2:], tc.want)
			}
		})
	}
}

// Whatever a session holds, its description does nothing to a terminal.
func FuzzDescribe(f *testing.F) {
	for _, data := range []string{`{}`, `{"a":1,"b":[{"c":null}]}`, `{"a":`, "{\"\u009b\":\"\\u001b\x7f\"}", "\xff",
		`{"a":1}{`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if err := describe(&out, "somewhere", &session.Record{Data: data}, true); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && !strconv.IsPrint(r) {
				t.Fatalf("the character %U is printed in %q", r, out.String())
			}
		}
	})
}

// collapse makes two spaces of the space between columns.
func collapse(line string) string {
	columns := strings.Split(strings.TrimSpace(line), "  ")
	var kept []string
	for _, c := range columns {
		if c = strings.TrimSpace(c); c != "" {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, "  ")
}
