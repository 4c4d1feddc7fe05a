package metrics_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/metrics"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// counters is a Recorder for a monitoring system of one's own.
type counters map[metrics.Op]int

func (c counters) Record(_ context.Context, e metrics.Event) { c[e.Op]++ }

func Example() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // different each time
			}
			return a
		},
	}))
	counted := make(counters)
	store := metrics.Instrument(sessiontest.NewMemory(), metrics.NewLogRecorder(logger), counted)
	m, err := session.NewManager(store, session.Options{}) // as with the engine itself
	if err != nil {
		log.Fatal(err)
	}
	_ = m

	ctx := context.Background()
	token, err := store.Save(ctx, "", &session.Record{Data: []byte(`{"user_id":20}`),
		Expires: time.Now().Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	store.Load(ctx, token)
	store.Load(ctx, "what nobody has issued")
	fmt.Println(counted[metrics.Create], "created,", counted[metrics.Load], "loaded")
	// Output:
	// level=DEBUG msg="session store" op=create result=ok data_bytes=14 token_bytes=26
	// level=DEBUG msg="session store" op=load result=ok data_bytes=14 token_bytes=26
	// level=DEBUG msg="session store" op=load result=not_found err="session: not found"
	// 1 created, 2 loaded
}

// The cleanup that dbstore runs by itself does not go through a Store. A hook
// records it all the same.
func ExampleResultOf() {
	ctx := context.Background()
	recorder := metrics.NewLogRecorder(slog.Default())
	engine, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Options: dbstore.Options{
		OnCleanup: func(r dbstore.CleanupResult) {
			recorder.Record(ctx, metrics.Event{
				Op:       metrics.DeleteExpired,
				Result:   metrics.ResultOf(r.Err),
				Err:      r.Err,
				Duration: r.Took,
				Deleted:  r.Deleted,
			})
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	if err := engine.StartCleanup(ctx, time.Hour); err != nil {
		log.Fatal(err)
	}
	store := metrics.Instrument(engine, recorder)
	_ = store
}
