package signedcookie_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

// corpus returns the sessions of one kind of the benchmark corpus.
func corpus(t testing.TB, kind string) [][]byte {
	t.Helper()
	b, err := os.ReadFile("../bench/testdata/corpus/" + kind + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

func BenchmarkStore(b *testing.B) {
	for _, op := range []string{"save", "load"} {
		for _, scheme := range schemes {
			for _, kind := range []string{"visitor", "login", "cart"} {
				for _, cached := range []bool{false, true} {
					if cached && op == "save" {
						continue
					}
					opts := signedcookie.Options{Scheme: scheme, CacheBytes: -1}
					if cached {
						opts.CacheBytes = 0
					}
					b.Run(fmt.Sprintf("op=%s/scheme=%v/session=%s/cache=%v", op, scheme, kind, cached),
						func(b *testing.B) {
							store := newStore(b, opts)
							rec := &session.Record{Data: corpus(b, kind)[0], Expires: time.Now().Add(time.Hour)}
							token, err := store.Save(b.Context(), "", rec)
							if err != nil {
								b.Fatal(err)
							}
							call := func() {
								if op == "save" {
									_, err = store.Save(b.Context(), token, rec)
								} else {
									_, err = store.Load(b.Context(), token)
								}
								if err != nil {
									b.Fatal(err)
								}
							}
							b.ReportAllocs()
							for b.Loop() {
								call()
							}
							b.ReportMetric(float64(len(token)), "cookie-B")
							b.ReportMetric(float64(fastest(call).Nanoseconds()), "fastest-ns")
						})
				}
			}
		}
	}
}
