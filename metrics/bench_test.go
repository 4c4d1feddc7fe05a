package metrics_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"sessionengine/metrics"
	"sessionengine/session"
)

// still is an engine that does nothing, so that only what is around it costs.
type still struct{ rec session.Record }

func (s *still) Load(context.Context, string) (*session.Record, error) { return &s.rec, nil }
func (s *still) Save(_ context.Context, token string, _ *session.Record) (string, error) {
	return token, nil
}
func (s *still) Renew(_ context.Context, token string, _ *session.Record) (string, error) {
	return token, nil
}
func (s *still) Delete(context.Context, string) error { return nil }

// nothing is a recorder that does nothing.
type nothing struct{}

func (nothing) Record(context.Context, metrics.Event) {}

func TestStoreDoesNotAllocate(t *testing.T) {
	ctx := t.Context()
	engine := new(still)
	store := metrics.Instrument(engine, nothing{},
		metrics.NewLogRecorder(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if n := testing.AllocsPerRun(100, func() {
		store.Load(ctx, "token")
		store.Save(ctx, "token", &engine.rec)
		store.Renew(ctx, "token", &engine.rec)
		store.Delete(ctx, "token")
	}); n != 0 {
		t.Errorf("four operations have allocated %v times, want never", n)
	}
}

// BenchmarkStore measures what a Store adds to an engine that costs nothing.
func BenchmarkStore(b *testing.B) {
	text := func(level slog.Level) metrics.Recorder {
		return metrics.NewLogRecorder(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: level})))
	}
	engine := new(still)
	for _, bm := range []struct {
		recorder string
		store    session.SessionStore
	}{
		{"absent", engine},
		{"nothing", metrics.Instrument(engine, nothing{})},
		{"log-silent", metrics.Instrument(engine, text(slog.LevelInfo))},
		{"log-debug", metrics.Instrument(engine, text(slog.LevelDebug))},
	} {
		for _, op := range []string{"load", "save"} {
			b.Run("op="+op+"/recorder="+bm.recorder, func(b *testing.B) {
				ctx := b.Context()
				b.ReportAllocs()
				for b.Loop() {
					if op == "load" {
						bm.store.Load(ctx, "token")
					} else {
						bm.store.Save(ctx, "token", &engine.rec)
					}
				}
			})
		}
	}
}
