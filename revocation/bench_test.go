package revocation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/revocation"
	"sessionengine/session"
)

// login is a session of about the size of a login.
const login = `{"_auth_user_id":"20","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
	`"_auth_user_hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",` +
	`"csrf":"Zq7vJ2kX4wP9sLd0TnEb8RyMcHf3UaGi"}`

// BenchmarkStore compares a cookie engine as it is, list=none, with one whose
// sessions can be ended. The list holds ten thousand sessions. stale=true is
// with Options.MaxStale, where all loads but the first are spared the lookup.
func BenchmarkStore(b *testing.B) {
	for _, op := range []string{"load", "save", "renew"} {
		for _, list := range []string{"none", "memory", "sqlite"} {
			for _, stale := range []bool{false, true} {
				if stale && (op != "load" || list == "none") {
					continue
				}
				b.Run(fmt.Sprintf("op=%s/list=%s/stale=%v", op, list, stale), func(b *testing.B) {
					benchmark(b, benchStore(b, list, stale), op)
				})
			}
		}
	}
}

func benchStore(b *testing.B, list string, stale bool) session.SessionStore {
	b.Helper()
	var l revocation.List
	switch list {
	case "none":
		return cookies(b)
	case "memory":
		l = revocation.NewMemoryList()
	case "sqlite":
		l = sqlList(b, openSQLite(b, sqlitePath(b)), dbstore.SQLite, revocation.SQLOptions{})
	}
	for i := range 10_000 {
		if _, err := l.End(context.Background(), fmt.Sprintf("%024x", i*7919), time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	var opts revocation.Options
	if stale {
		opts.MaxStale = time.Hour
	}
	return wrap(b, cookies(b), l, opts)
}

func benchmark(b *testing.B, store session.SessionStore, op string) {
	ctx := context.Background()
	rec := &session.Record{Data: []byte(login), Expires: time.Now().Add(24 * time.Hour), Owner: "20"}
	token, err := store.Save(ctx, "", rec)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		switch op {
		case "load":
			_, err = store.Load(ctx, token)
		case "save":
			rec.Data[len(rec.Data)-3] ^= 1
			token, err = store.Save(ctx, token, rec)
		case "renew":
			token, err = store.Renew(ctx, token, rec)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(token)), "cookie-B")
}
