package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
)

var redisServer = testserver.Redis()

// redisURL starts the server, and returns its URL for a user who may do all. There is
// bob, too, who may do nothing.
func redisURL(t *testing.T) string {
	t.Helper()
	url := "redis://admin:open-sesame@" + redisServer.Start(t).Addr + "/0"
	client := redis.NewClient(&redis.Options{Addr: redisServer.Addr})
	defer client.Close()
	for _, user := range [][]any{{"admin", "on", ">open-sesame", "~*", "&*", "+@all"}, {"bob", "on", ">hunter1", "-@all"}} {
		if err := client.Do(t.Context(), append([]any{"ACL", "SETUSER"}, user...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return url
}

// TestRedis is what TestServers is for tables.
func TestRedis(t *testing.T) {
	url := redisURL(t)
	prefix := "sessionctl"
	sessionctl := func(stdin string, args ...string) (string, error) {
		return execute(t.Context(), map[string]string{databaseVariable: url}, stdin,
			append(args, "-prefix", prefix)...)
	}
	want := func(want string, args ...string) {
		t.Helper()
		if got, err := sessionctl("", args...); err != nil || got != want {
			t.Fatalf("sessionctl %q prints %q and gives the error %v, want %q", args, got, err, want)
		}
	}
	want("nothing to create: in Redis there are no tables\n", "migrate", "-owners")
	want("nothing to do: Redis deletes the sessions that are expired\n", "clearsessions", "-owners")
	want("0 sessions alive\n", "count")
	want("the owner has no sessions\n", "list", "-owner", "alice")

	store, err := redisstore.Open(t.Context(), url, redisstore.Options{Prefix: prefix, Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	begin := func(owner, label string) (token string) {
		t.Helper()
		token, err := store.Save(t.Context(), "", &session.Record{
			Data:    fmt.Appendf(nil, `{"user_id":20,"team":"red","_session_owner":%q}`, owner),
			Expires: time.Now().Add(time.Hour), Owner: owner, Label: label})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	phone := begin("alice", "phone")
	begin("alice", "laptop")
	begin("alice", "tablet")
	other := begin("Alice", "other\x1b[2J")
	want("4 sessions alive\n", "count")

	out, err := sessionctl(phone, "show", "-values")
	if err != nil || !strings.HasPrefix(out, "kept as  key in Redis, found by its token\nexpires  ") ||
		!strings.Contains(out, `"red"`) {
		t.Errorf("show prints %q and gives the error %v", out, err)
	}
	if out, err := sessionctl(phone, "show"); err != nil || strings.Contains(out, "red") {
		t.Errorf("show prints values that nobody asked for: %q, %v", out, err)
	}
	for _, args := range [][]string{{"show", "-cookie", "other"}, {"revoke", "-cookie", "other"}} {
		if _, err := sessionctl(phone, args...); exitStatus(err) != 1 || !strings.Contains(err.Error(), "-cookie") ||
			strings.Contains(err.Error(), phone) {
			t.Errorf("%q: %v", args, err)
		}
	}

	out, err = sessionctl("", "list", "-owner", "Alice")
	if err != nil || !strings.HasSuffix(out, `"other\x1b[2J"`+"\n") || strings.Count(out, "\n") != 2 {
		t.Errorf("list prints %q and gives the error %v", out, err)
	}
	infos, err := allSessions(t.Context(), store, "alice")
	if err != nil || len(infos) != 3 {
		t.Fatalf("%d sessions, %v", len(infos), err)
	}
	for _, info := range infos {
		if info.Label == "tablet" {
			want("ended 1 session\n", "revoke", "-owner", "alice", "-id", info.ID)
			if _, err := sessionctl("", "revoke", "-owner", "alice", "-id", info.ID); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("ended twice: %v", err)
			}
		}
	}
	if out, err := sessionctl(phone, "revoke"); err != nil || out != "ended 1 session\n" {
		t.Errorf("revoke of a token prints %q and gives the error %v", out, err)
	}
	if _, err := store.Load(t.Context(), phone); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("then loading it gives %v", err)
	}
	want("ended 1 session\n", "revoke", "-owner", "alice", "-all")
	want("the owner has no sessions\n", "list", "-owner", "alice")
	if _, err := store.Load(t.Context(), other); err != nil {
		t.Errorf("somebody else's session: %v", err)
	}
}

// What cannot work says why, and nothing of a password.
func TestRedisRefuses(t *testing.T) {
	redisURL(t)
	for _, tc := range []struct {
		url, want string
		status    int
	}{
		{"redis://admin:wrong-secret@" + redisServer.Addr, "WRONGPASS", 1},
		{"redis://bob:hunter1@" + redisServer.Addr, "NOPERM", 1},
		{"redis://:wrong-secret@127.0.0.1:1", "refused", 1},
		{"redis://:wrong/secret@host", "%2F", 2},
		{"redis+sentinel://:wrong-secret@host", "no URL of Redis", 2},
	} {
		for _, args := range [][]string{{"migrate"}, {"count"}, {"check"}, {"list", "-owner", "alice"}} {
			out, err := execute(t.Context(), map[string]string{databaseVariable: tc.url}, "", args...)
			if exitStatus(err) != tc.status || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s %q: status %d, %v; want %d and %q", tc.url, args, exitStatus(err), err, tc.status, tc.want)
				continue
			}
			for _, secret := range []string{"wrong", "secret", "hunter"} {
				if strings.Contains(out+err.Error(), secret) {
					t.Errorf("%q shows a password: %s %v", args, out, err)
				}
			}
		}
	}
	if _, err := execute(t.Context(), nil, "", "revocations", "-db", "redis://host"); exitStatus(err) != 2 {
		t.Errorf("a list of revocations in Redis: %v", err)
	}
}

func TestCheck(t *testing.T) {
	out, err := execute(t.Context(), nil, "", "check", "-db", redisURL(t))
	if exitStatus(err) != 1 || !strings.Contains(out, "appendonly") || strings.Contains(out, "maxmemory-policy is") {
		t.Errorf("of a server that keeps nothing on a disk: %q, %v", out, err)
	}
	client := redis.NewClient(&redis.Options{Addr: redisServer.Addr})
	defer client.Close()
	for _, setting := range [][2]string{{"appendonly", "yes"}, {"maxmemory", "100mb"}} {
		if err := client.ConfigSet(t.Context(), setting[0], setting[1]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := execute(t.Context(), nil, "", "check", "-db", redisURL(t)); err != nil || out != "nothing found\n" {
		t.Errorf("of a server that is set up for sessions: %q, %v", out, err)
	}
}
