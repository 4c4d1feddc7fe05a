package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"sessionengine/session"
)

// RunBenchmarks measures what a store costs without HTTP and without a session
// around it. Names are op=…/size=…/par=…: the operation, the bytes of
// Record.Data, and the number of goroutines, each of which works on sessions of
// its own. The bytes per second count Record.Data, where there is any.
//
//   - load: a session that is there
//   - miss: a token that stands for nothing
//   - save: other data for a session that was loaded or saved before
//   - renew: the same under a fresh token
//   - create: a new session
//
// newStore is called once for each benchmark.
func RunBenchmarks(b *testing.B, newStore func(b *testing.B) session.SessionStore) {
	for _, op := range benchmarks {
		for _, size := range []int{220, 1200} {
			for _, par := range []int{1, 8} {
				b.Run(fmt.Sprintf("op=%s/size=%d/par=%d", op.name, size, par), func(b *testing.B) {
					store := newStore(b)
					b.ReportAllocs()
					if op.name != "miss" {
						b.SetBytes(int64(size))
					}
					if par == 1 {
						step := op.prepare(b, store, size, 0)
						for b.Loop() {
							if err := step(); err != nil {
								b.Fatal(err)
							}
						}
						return
					}
					steps := make([]func() error, par)
					for i := range steps {
						steps[i] = op.prepare(b, store, size, i)
					}
					// RunParallel starts a multiple of GOMAXPROCS goroutines:
					// those that are too many leave the work to the others.
					procs := runtime.GOMAXPROCS(0)
					b.SetParallelism((par + procs - 1) / procs)
					var workers atomic.Int64
					b.ResetTimer()
					b.RunParallel(func(pb *testing.PB) {
						i := int(workers.Add(1)) - 1
						if i >= par {
							return
						}
						for pb.Next() {
							if err := steps[i](); err != nil {
								b.Error(err)
								return
							}
						}
					})
				})
			}
		}
	}
}

// A benchmark prepares what is not measured, and returns what is.
type benchmark struct {
	name    string
	prepare func(b *testing.B, store session.SessionStore, size, worker int) (step func() error)
}

var benchmarks = []benchmark{
	{"load", func(b *testing.B, store session.SessionStore, size, worker int) func() error {
		ctx := context.Background()
		token := benchCreate(b, store, benchRecord(size, worker))
		return func() error {
			_, err := store.Load(ctx, token)
			return err
		}
	}},
	{"miss", func(b *testing.B, store session.SessionStore, size, worker int) func() error {
		ctx := context.Background()
		token := reversed(benchCreate(b, store, benchRecord(size, worker)))
		return func() error {
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				return fmt.Errorf("sessiontest: load of a forged token gave the error %v", err)
			}
			return nil
		}
	}},
	{"save", func(b *testing.B, store session.SessionStore, size, worker int) func() error {
		return benchWrite(b, store.Save, store, size, worker)
	}},
	{"renew", func(b *testing.B, store session.SessionStore, size, worker int) func() error {
		return benchWrite(b, store.Renew, store, size, worker)
	}},
	{"create", func(b *testing.B, store session.SessionStore, size, worker int) func() error {
		ctx := context.Background()
		rec := benchRecord(size, worker)
		return func() error {
			rec.Version = ""
			_, err := store.Save(ctx, "", rec)
			return err
		}
	}},
}

func benchWrite(b *testing.B, write func(context.Context, string, *session.Record) (string, error),
	store session.SessionStore, size, worker int) func() error {
	ctx := context.Background()
	rec := benchRecord(size, worker)
	token := benchCreate(b, store, rec)
	digit := len(rec.Data) - 3 // of the note that ends a cart
	return func() (err error) {
		rec.Data[digit] = 'a' + (rec.Data[digit]-'a'+1)%26
		token, err = write(ctx, token, rec)
		return err
	}
}

func benchRecord(size, worker int) *session.Record {
	data := []byte(cart(size))
	copy(data[len(data)-8:], fmt.Sprintf("%05d", worker))
	return record(data)
}

func benchCreate(b *testing.B, store session.SessionStore, rec *session.Record) (token string) {
	b.Helper()
	token, err := store.Save(context.Background(), "", rec)
	if err != nil {
		b.Fatal(err)
	}
	return token
}
