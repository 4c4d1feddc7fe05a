package redisstore_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessionengine/nearcache"
	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// A user with exactly the commands, keys and channels that the documentation names can
// do all that the store does, and nothing less does.
func TestAUserWithTheDocumentedAccessListSuffices(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^//\tACL SETUSER site on >PASSWORD (.*)\n//\t  (.*)\n//\t  (.*)$`).FindSubmatch(text)
	if line == nil {
		t.Fatal("the documentation has no ACL SETUSER")
	}
	rules := strings.Fields(string(line[1]) + " " + string(line[2]) + " " + string(line[3]))
	admin := single.Start(t).Client(t)
	args := []any{"ACL", "SETUSER", "site", "reset", "on", ">secret"}
	for _, rule := range rules {
		args = append(args, strings.Replace(rule, "~se:*", "~acl*", 1)) // each case has keys of its own
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.ACLLogReset(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	url := "redis://site:secret@" + single.Addr
	opts := redisstore.Options{Owners: true}
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		opts := opts
		opts.Prefix = "acl" + prefix(t)
		return open(t, url, opts)
	}, features(url, opts))

	opts.Prefix = "acl" + prefix(t)
	store := open(t, url, opts)
	if _, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Count(t.Context()); err != nil {
		t.Errorf("Count: %v", err)
	}
	found, err := store.Check(t.Context())
	for _, f := range found {
		if strings.Contains(f.Text, "refuses") {
			t.Errorf("Check: %s", f.Text)
		}
	}
	if err != nil {
		t.Errorf("Check: %v", err)
	}
	near, err := nearcache.New(store, nearcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	for start := time.Now(); !near.Stats().Watching; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the near cache does not get to know of changes")
		}
	}

	// The server has no replica, which is what a save with WaitReplicas has to say.
	opts.WaitReplicas, opts.WaitTimeout = 1, time.Millisecond
	_, err = open(t, url, opts).Save(t.Context(), "", &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)})
	if err == nil || !strings.Contains(err.Error(), "not enough replicas") {
		t.Errorf("WaitReplicas: %v", err)
	}
	log, err := admin.ACLLog(t.Context(), 10).Result()
	if err != nil {
		t.Error(err)
	}
	for _, refused := range log {
		if refused.Username == "site" {
			t.Errorf("the list refuses %s", refused.Object)
		}
	}

	// Not other keys.
	other := open(t, url, redisstore.Options{Prefix: "other"})
	rec := &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
	if _, err := other.Save(t.Context(), "", rec); err == nil || !strings.Contains(err.Error(), "NOPERM") ||
		errors.Is(err, session.ErrNotFound) {
		t.Errorf("a key that is not the site's: %v", err)
	}
}
