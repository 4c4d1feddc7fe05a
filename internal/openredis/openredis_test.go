package openredis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/openredis"
	"sessionengine/internal/testserver"
)

var server = testserver.Redis()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, server)) }

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		url  string
		want string // the kind of client, where it connects, as whom, and whether with TLS
	}{
		{"redis://", "single localhost:6379/0  plain"},
		{"redis://db.example.com", "single db.example.com:6379/0  plain"},
		{"redis://me:p%40ss%2Fword@db:6380/3", "single db:6380/3 me:p@ss/word plain"},
		{"redis://:pass@[::1]:6379", "single [::1]:6379/0 :pass plain"},
		{"rediss://me:pass@db", "single db:6379/0 me:pass TLS"},
		{"redis+sentinel://sentinels:hush@a:26379/2?master_name=shop&addr=b:26379&username=me&password=pass",
			"sentinel FailoverClient/2 me:pass plain"},
		{"rediss+sentinel://a:26379?master_name=shop", "sentinel FailoverClient/0  TLS"},
		{"redis+cluster://me:pass@a:7000?addr=b:7001&addr=c:7002", "cluster a:7000,b:7001,c:7002 me:pass plain"},
		{"rediss+cluster://a:7000", "cluster a:7000  TLS"},
	} {
		if !openredis.Is(tc.url) {
			t.Errorf("%s: not taken for a URL", tc.url)
		}
		s, err := openredis.Parse(tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		client, err := s.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		as := func(user, password string) string {
			if user+password == "" {
				return ""
			}
			return user + ":" + password
		}
		got, tls := "", false
		switch c := client.(type) {
		case *redis.Client:
			kind := "single"
			if c.Options().Addr == "FailoverClient" {
				kind = "sentinel"
			}
			got = fmt.Sprintf("%s %s/%d %s", kind, c.Options().Addr, c.Options().DB, as(c.Options().Username, c.Options().Password))
			tls = c.Options().TLSConfig != nil
		case *redis.ClusterClient:
			got = fmt.Sprintf("cluster %s %s", strings.Join(c.Options().Addrs, ","), as(c.Options().Username, c.Options().Password))
			tls = c.Options().TLSConfig != nil
		}
		if got += map[bool]string{false: " plain", true: " TLS"}[tls]; got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.url, got, tc.want)
		}
	}
}

// No error has a part of a password in it.
func TestParseRefuses(t *testing.T) {
	for _, url := range []string{
		"redis:me:hushhush@host", "redis://me:hush/hush@host", "redis://me:hush#hush@host", "redis://me:hush?hush@host",
		"redis://me:hushhush@host:port", "redis://me:hushhush@host/shop", "redis://me:hush%zzhush@host",
		"redis+sentinel://me:hushhush@host", // without the name of the primary
		"redis+sentinel://host?username=me&password=hushhush",
		"redis+cluster://me:hushhush@host?hushhush=1", "redis://me:hushhush@host?read_timeout=hushhush",
	} {
		if _, err := openredis.Parse(url); err == nil || !strings.Contains(err.Error(), "no URL of Redis") {
			t.Errorf("%s: got %v", url, err)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error quotes the password: %v", url, err)
		}
	}
	for _, text := range []string{"redis", "redis+what://host", "postgres://host", "sessions.db", "re:dis"} {
		if openredis.Is(text) {
			t.Errorf("%s was taken for a URL", text)
		}
	}
}

func TestErrorsHaveNoPassword(t *testing.T) {
	s, err := openredis.Parse("redis+sentinel://me:hunter%31@host?master_name=m&username=me&password=sardines")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"no user hunter1", "no user hunter%31", "dine", "nothing here called sardi"} {
		err := s.Error(errors.New(text))
		if strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "sard") {
			t.Errorf("got %q", err)
		}
	}
	if err := s.Error(errors.New("connection refused")); err.Error() != "connection refused" {
		t.Errorf("got %q", err)
	}
}

func TestDeleteKeysDeletesThoseOfThePrefixOnly(t *testing.T) {
	s, err := openredis.Parse(server.Start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	for i := range 2500 {
		if err := client.Set(ctx, fmt.Sprint("mine:{", i, "}:a"), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"mine", "mine2:a", "amine:a", "other"} {
		if err := client.Set(ctx, key, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := openredis.DeleteKeys(ctx, client, "mine"); err != nil {
		t.Fatal(err)
	}
	if left := client.DBSize(ctx).Val(); left != 4 {
		t.Errorf("%d keys are left, want 4", left)
	}
}
