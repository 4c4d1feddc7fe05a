package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

// Whatever is on the server, reading it gives a session whose parts are in it, or
// none.
func FuzzStoredValues(f *testing.F) {
	m := meta{version: strings.Repeat("v", versionLen), expires: time.UnixMilli(1795000000123).UTC()}
	f.Add(string(appendValue(nil, m, []byte(`{"user":1}`))))
	m.owner, m.generation, m.label = strings.Repeat("o", ownerLen), noGeneration, "a label"
	m.created, m.seen = m.expires, m.expires
	f.Add(string(appendValue(nil, m, []byte(`{"user":1}`))))
	f.Add(ended)
	f.Add("")
	f.Add("1" + strings.Repeat("0", 34))
	f.Add("1" + strings.Repeat("0", 31) + "999")
	f.Fuzz(func(t *testing.T, value string) {
		m, data, ok := parseValue([]byte(value))
		if !ok {
			return
		}
		if len(data) > len(value) || cap(data) != len(data) {
			t.Fatalf("the data has %d of %d bytes, and room for %d", len(data), len(value), cap(data))
		}
		if again := string(appendValue(nil, m, data)); again != value {
			t.Errorf("%q is read as what is written as %q", value, again)
		}
		v := parseVersion(m.recordVersion())
		if v.version != m.version || v.owner != m.owner || v.generation != m.generation || !v.created.Equal(m.created) {
			t.Errorf("the version of %q is read as %+v", value, v)
		}
	})
}

// Versions come from applications, which may have kept them anywhere.
func FuzzVersions(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("v", versionLen))
	f.Add(strings.Repeat("0", ownedVersionLen))
	f.Fuzz(func(t *testing.T, text string) {
		if v := parseVersion(text); len(v.version) != versionLen {
			t.Errorf("%q gives the version %q", text, v.version)
		}
	})
}

// A token that no session can have asks no server, and a server that cannot be
// reached is no reason to log anybody out.
func FuzzTokensOfClients(f *testing.F) {
	f.Add("")
	f.Add(randomToken())
	f.Add(randomToken() + "a")
	f.Add(strings.Repeat("{", tokenLen))
	f.Add(strings.Repeat("é", tokenLen/2))
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	f.Cleanup(func() { client.Close() })
	store, err := New(client, Options{Owners: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		ctx := context.Background()
		_, loadErr := store.Load(ctx, token)
		key, ok := store.key(token)
		if ok != !errors.Is(loadErr, session.ErrNotFound) {
			t.Errorf("the token %q: %v", token, loadErr)
		}
		if ok && (len(key) != len("se:{}:")+tagLen+hashLen || strings.Contains(key, token[tagLen:])) {
			t.Errorf("the token %q has the key %q", token, key)
		}
		if err := store.Delete(ctx, token); (err != nil) != ok {
			t.Errorf("Delete of the token %q: %v", token, err)
		}
	})
}

func TestTimesAreKeptToTheMillisecond(t *testing.T) {
	for _, at := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(1795000000123), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		got, ok := parseTime([]byte(timeText(at.Add(999 * time.Microsecond))))
		if !ok || !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("%v becomes %v", at, got)
		}
	}
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1<<40, 0)} {
		if got := timeText(at); len(got) != timeLen {
			t.Errorf("%v becomes %q", at, got)
		}
	}
}
