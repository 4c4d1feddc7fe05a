package otelmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"sessionengine/metrics"
	"sessionengine/metrics/otelmetrics"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// newRecorder returns a Recorder and what reads from it.
func newRecorder(t testing.TB, opts otelmetrics.Options) (*otelmetrics.Recorder, *sdk.ManualReader) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { provider.Shutdown(context.Background()) })
	opts.MeterProvider = provider
	r, err := otelmetrics.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return r, reader
}

// collect returns what there is to export, by the instruments' names.
func collect(t testing.TB, reader *sdk.ManualReader) map[string]metricdata.Metrics {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]metricdata.Metrics)
	for _, scope := range data.ScopeMetrics {
		if scope.Scope.Name != "sessionengine/metrics/otelmetrics" {
			t.Errorf("the scope is called %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// points returns the measurements of an instrument, one a line: its attributes
// without the common prefix, and its value, or its count and sum.
func points(m metricdata.Metrics) string {
	var lines []string
	add := func(set attribute.Set, value string) {
		var b strings.Builder
		for _, kv := range set.ToSlice() {
			fmt.Fprintf(&b, "%s=%s ", strings.TrimPrefix(string(kv.Key), "sessionengine."), kv.Value.String())
		}
		lines = append(lines, b.String()+value)
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Value))
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Value))
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Count, " ", p.Sum))
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Count, " ", p.Sum))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// everything is one event of each kind.
func everything() (events []metrics.Event) {
	for _, op := range metrics.Ops() {
		for _, result := range metrics.Results() {
			e := metrics.Event{Op: op, Result: result, Duration: time.Second}
			if result == metrics.OK {
				e.DataBytes, e.TokenBytes = 100, 10
			}
			if op == metrics.DeleteExpired {
				e.Deleted = 5
			}
			events = append(events, e)
		}
	}
	return events
}

func TestInstruments(t *testing.T) {
	r, reader := newRecorder(t, otelmetrics.Options{})
	for _, e := range []metrics.Event{
		{Op: metrics.Load, Duration: 2 * time.Millisecond, DataBytes: 100, TokenBytes: 32},
		{Op: metrics.Load, Duration: 3 * time.Millisecond, DataBytes: 200, TokenBytes: 32},
		{Op: metrics.Load, Result: metrics.NotFound},
		{Op: metrics.Load, Result: metrics.InvalidToken},
		{Op: metrics.Load, Result: metrics.InvalidToken},
		{Op: metrics.Load, Result: metrics.Expired},
		{Op: metrics.Load, Result: metrics.Failure, Duration: time.Second},
		{Op: metrics.Create, DataBytes: 50, TokenBytes: 32},
		{Op: metrics.Create, Result: metrics.TooLarge, DataBytes: 5000},
		{Op: metrics.Save, DataBytes: 60, TokenBytes: 32},
		{Op: metrics.Save, Result: metrics.Conflict, DataBytes: 60},
		{Op: metrics.Renew, DataBytes: 70, TokenBytes: 32},
		{Op: metrics.Renew, Result: metrics.Gone, DataBytes: 70},
		{Op: metrics.Touch, TokenBytes: 32},
		{Op: metrics.Delete},
		{Op: metrics.Delete, Result: metrics.Canceled},
		{Op: metrics.DeleteUnchanged},
		{Op: metrics.DeleteExpired},
		{Op: metrics.DeleteExpired, Deleted: 40},
		{Op: metrics.DeleteExpired, Deleted: 2, Result: metrics.Failure},
	} {
		r.Record(t.Context(), e)
	}
	found := collect(t, reader)
	for name, want := range map[string]string{
		"sessionengine.operation.duration": `
error.type=canceled operation=delete result=canceled 1 0
error.type=conflict operation=save result=conflict 1 0
error.type=failure operation=delete_expired result=failure 1 0
error.type=failure operation=load result=failure 1 1
error.type=gone operation=renew result=gone 1 0
error.type=too_large operation=create result=too_large 1 0
operation=create result=ok 1 0
operation=delete result=ok 1 0
operation=delete_expired result=ok 2 0
operation=delete_unchanged result=ok 1 0
operation=load result=expired 1 0
operation=load result=invalid_token 2 0
operation=load result=not_found 1 0
operation=load result=ok 2 0.005
operation=renew result=ok 1 0
operation=save result=ok 1 0
operation=touch result=ok 1 0`,
		"sessionengine.data.size": `
operation=create 1 50
operation=load 2 300
operation=renew 1 70
operation=save 1 60`,
		"sessionengine.token.size": `
operation=create 1 32
operation=load 2 64
operation=renew 1 32
operation=save 1 32`,
		"sessionengine.token.rejected": `
rejection.reason=expired 1
rejection.reason=invalid_token 2
rejection.reason=not_found 1`,
		"sessionengine.session.created": "\n1",
		"sessionengine.session.renewed": "\n1",
		"sessionengine.session.deleted": `
deletion.reason=ended 2
deletion.reason=expired 42`,
	} {
		if got := "\n" + points(found[name]); got != want {
			t.Errorf("%s has%s\nwant%s", name, got, want)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		t.Errorf("there are instruments that nobody expects: %v", slices.Collect(maps.Keys(found)))
	}
}

func TestNameOfTheStoreIsOnEverything(t *testing.T) {
	r, reader := newRecorder(t, otelmetrics.Options{Store: "admin"})
	for _, e := range everything() {
		r.Record(t.Context(), e)
	}
	if _, err := r.ObserveSessions(new(counter), 0); err != nil {
		t.Fatal(err)
	}
	found := collect(t, reader)
	if len(found) != 8 {
		t.Errorf("found %d instruments, want 8", len(found))
	}
	for name, m := range found {
		for line := range strings.Lines(points(m)) {
			if !strings.Contains(line, "store=admin ") {
				t.Errorf("%s has a measurement without the store: %s", name, line)
			}
		}
	}
}

// TestDocumentation holds the table in the package's documentation against the
// instruments.
func TestDocumentation(t *testing.T) {
	r, reader := newRecorder(t, otelmetrics.Options{})
	for _, e := range everything() {
		r.Record(t.Context(), e)
	}
	if _, err := r.ObserveSessions(new(counter), 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	values := make(map[string][]string)
	for name, m := range collect(t, reader) {
		kind := "histogram"
		switch m.Data.(type) {
		case metricdata.Sum[int64]:
			kind = "counter"
		case metricdata.Gauge[int64]:
			kind = "gauge"
		}
		if m.Description == "" {
			t.Errorf("%s has no description", name)
		}
		keys := make(map[string]bool)
		for line := range strings.Lines(points(m)) {
			for _, attr := range regexp.MustCompile(`(\S+)=(\S+)`).FindAllStringSubmatch(line, -1) {
				key, value := attr[1], attr[2]
				values[key] = append(values[key], value)
				keys[key[strings.Index(key, ".")+1:]] = true
			}
		}
		if keys["type"] {
			delete(keys, "type")
			keys["error.type"] = true
		}
		got = append(got, strings.Join([]string{name, kind, m.Unit, strings.Join(slices.Sorted(maps.Keys(keys)), ", ")},
			"  "))
	}
	slices.Sort(got)

	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	rows := regexp.MustCompile(`(?m)^//\t(sessionengine\.\S+) +(histogram|counter|gauge) +(\S+)(?: +(.*))?$`)
	for _, row := range rows.FindAllStringSubmatch(string(doc), -1) {
		attrs := strings.Split(row[4], ", ")
		slices.Sort(attrs)
		want = append(want, strings.Join([]string{row[1], row[2], row[3], strings.Join(attrs, ", ")}, "  "))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the instruments are\n%s\nand documented as\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	for key, seen := range values {
		if key != "error.type" {
			key = "sessionengine." + key
		}
		row := regexp.MustCompile(`(?m)^//\t` + regexp.QuoteMeta(key) + ` +(.*(?:\n//\t {33}.*)*)$`).FindSubmatch(doc)
		if row == nil {
			t.Errorf("the attribute %s is not documented", key)
			continue
		}
		var documented []string
		for _, value := range regexp.MustCompile(`,(?: |\n//\t +)`).Split(string(row[1]), -1) {
			value, _, _ = strings.Cut(value, " (")
			documented = append(documented, value)
		}
		slices.Sort(documented)
		slices.Sort(seen)
		if seen = slices.Compact(seen); !slices.Equal(seen, documented) {
			t.Errorf("the attribute %s has the values %v, and is documented to have %v", key, seen, documented)
		}
	}
}

// A Store with a Recorder measures what a session goes through.
func TestSessionOfAStore(t *testing.T) {
	r, reader := newRecorder(t, otelmetrics.Options{})
	store := metrics.Instrument(sessiontest.NewMemory(), r)
	ctx := t.Context()
	rec := &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}
	token, err := store.Save(ctx, "", rec)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = store.Renew(ctx, token, rec); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, token); err != nil {
		t.Fatal(err)
	}
	store.Load(ctx, token)
	found := collect(t, reader)
	for name, want := range map[string]string{
		"sessionengine.session.created": "1",
		"sessionengine.session.renewed": "1",
		"sessionengine.session.deleted": "deletion.reason=ended 1",
		"sessionengine.token.rejected":  "rejection.reason=not_found 1",
	} {
		if got := points(found[name]); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// counter is an engine that counts how often it counts.
type counter struct {
	calls int64
	err   error
}

func (c *counter) Count(context.Context) (active, expired int64, err error) {
	c.calls++
	return 10 * c.calls, c.calls, c.err
}

func TestObserveSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, reader := newRecorder(t, otelmetrics.Options{})
		engine := new(counter)
		registration, err := r.ObserveSessions(engine, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		want := func(when, want string) {
			t.Helper()
			if got := points(collect(t, reader)["sessionengine.session.count"]); got != want {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		want("at first", "state=active 10\nstate=expired 1")
		time.Sleep(10*time.Second - time.Nanosecond)
		want("before the time is over", "state=active 10\nstate=expired 1")
		time.Sleep(time.Nanosecond)
		want("after it", "state=active 20\nstate=expired 2")

		time.Sleep(10 * time.Second)
		engine.err = errors.New("the database is down")
		var data metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &data); !errors.Is(err, engine.err) {
			t.Errorf("when the database is down, collecting gives the error %v", err)
		}
		engine.err = nil
		want("when it is back", "state=active 40\nstate=expired 4")

		if err := registration.Unregister(); err != nil {
			t.Fatal(err)
		}
		want("in the end", "")
	})
}

func TestObserveSessionsRefuses(t *testing.T) {
	r, _ := newRecorder(t, otelmetrics.Options{})
	if _, err := r.ObserveSessions(nil, 0); err == nil {
		t.Error("no engine is accepted")
	}
	if _, err := r.ObserveSessions(new(counter), -time.Second); err == nil {
		t.Error("a negative time is accepted")
	}
}

func TestZeroOptionsUseTheGlobalProvider(t *testing.T) {
	r, err := otelmetrics.New(otelmetrics.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range everything() { // which goes nowhere unless a provider is set
		r.Record(t.Context(), e)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	r, _ := newRecorder(t, otelmetrics.Options{Store: "admin"})
	events := everything()
	if n := testing.AllocsPerRun(10, func() {
		for _, e := range events {
			r.Record(t.Context(), e)
		}
	}); n != 0 {
		t.Errorf("recording %d events has allocated %v times, want never", len(events), n)
	}
}

func BenchmarkRecorder(b *testing.B) {
	r, _ := newRecorder(b, otelmetrics.Options{})
	for _, bm := range []struct {
		event string
		e     metrics.Event
	}{
		{"load", metrics.Event{Op: metrics.Load, DataBytes: 220, TokenBytes: 32}},
		{"rejection", metrics.Event{Op: metrics.Load, Result: metrics.NotFound}},
		{"touch", metrics.Event{Op: metrics.Touch, TokenBytes: 32}},
	} {
		b.Run("event="+bm.event, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				r.Record(ctx, bm.e)
			}
		})
	}
}
