package otelmetrics

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"sessionengine/metrics"
)

// Options configures a [Recorder]. The zero value has the default of every
// field.
type Options struct {
	// MeterProvider makes the instruments; nil is the global one.
	MeterProvider metric.MeterProvider

	// Store is the value of the attribute sessionengine.store, which tells the
	// engines of a program apart; empty leaves the attribute out.
	Store string
}

// scope is the name of the instrumentation scope.
const scope = "sessionengine/metrics/otelmetrics"

// The keys of attributes.
const (
	storeKey     = attribute.Key("sessionengine.store")
	operationKey = attribute.Key("sessionengine.operation")
	resultKey    = attribute.Key("sessionengine.result")
	errorKey     = attribute.Key("error.type")
	rejectionKey = attribute.Key("sessionengine.rejection.reason")
	deletionKey  = attribute.Key("sessionengine.deletion.reason")
	stateKey     = attribute.Key("sessionengine.state")
)

// The boundaries of histograms. An engine that keeps sessions in cookies takes
// microseconds, a database in trouble seconds.
var (
	durationBounds = []float64{0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
	dataBounds     = []float64{64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 262144, 1048576}
	tokenBounds    = []float64{32, 64, 128, 256, 512, 1024, 1536, 2048, 2560, 3072, 3584, 4096}
)

// Recorder is a [metrics.Recorder] that records to OpenTelemetry. It is safe for
// concurrent use, and allocates nothing but what the MeterProvider does.
type Recorder struct {
	meter metric.Meter
	store []attribute.KeyValue // sessionengine.store, or nothing

	duration  metric.Float64Histogram
	dataSize  metric.Int64Histogram
	tokenSize metric.Int64Histogram
	rejected  metric.Int64Counter
	created   metric.Int64Counter
	renewed   metric.Int64Counter
	deleted   metric.Int64Counter

	// Sets of attributes are made once: making one costs more than recording.
	outcome   [][][]metric.RecordOption // of duration, by operation and result
	operation [][]metric.RecordOption   // of sizes, by operation
	rejection [][]metric.AddOption      // by result
	plain     []metric.AddOption
	ended     []metric.AddOption
	expired   []metric.AddOption
}

var _ metrics.Recorder = (*Recorder)(nil)

// New returns a Recorder. The error is one of the MeterProvider.
func New(opts Options) (*Recorder, error) {
	provider := opts.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	r := &Recorder{meter: provider.Meter(scope)}
	if opts.Store != "" {
		r.store = []attribute.KeyValue{storeKey.String(opts.Store)}
	}
	if err := r.makeInstruments(); err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	r.makeAttributes()
	return r, nil
}

func (r *Recorder) makeInstruments() error {
	var errs []error
	size := func(name, description string, bounds []float64) metric.Int64Histogram {
		h, err := r.meter.Int64Histogram(name, metric.WithUnit("By"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return h
	}
	count := func(name, unit, description string) metric.Int64Counter {
		c, err := r.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	var err error
	r.duration, err = r.meter.Float64Histogram("sessionengine.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of the operations of the session engine."),
		metric.WithExplicitBucketBoundaries(durationBounds...))
	errs = append(errs, err)
	r.dataSize = size("sessionengine.data.size", "Size of the serialized sessions that were loaded or stored.",
		dataBounds)
	r.tokenSize = size("sessionengine.token.size", "Size of the tokens of the sessions that were loaded or stored.",
		tokenBounds)
	r.rejected = count("sessionengine.token.rejected", "{token}", "Tokens of clients that stand for no session.")
	r.created = count("sessionengine.session.created", "{session}", "Sessions that were stored for the first time.")
	r.renewed = count("sessionengine.session.renewed", "{session}", "Sessions that were given a fresh token.")
	r.deleted = count("sessionengine.session.deleted", "{session}", "Sessions that were deleted.")
	return errors.Join(errs...)
}

func (r *Recorder) makeAttributes() {
	for _, op := range metrics.Ops() {
		operation := operationKey.String(op.String())
		var outcomes [][]metric.RecordOption
		for _, result := range metrics.Results() {
			attrs := []attribute.KeyValue{operation, resultKey.String(result.String())}
			if result != metrics.OK && !result.Rejection() {
				attrs = append(attrs, errorKey.String(result.String()))
			}
			outcomes = append(outcomes, []metric.RecordOption{r.attributes(attrs...)})
		}
		r.outcome = append(r.outcome, outcomes)
		r.operation = append(r.operation, []metric.RecordOption{r.attributes(operation)})
	}
	for _, result := range metrics.Results() {
		r.rejection = append(r.rejection, []metric.AddOption{r.attributes(rejectionKey.String(result.String()))})
	}
	r.plain = []metric.AddOption{r.attributes()}
	r.ended = []metric.AddOption{r.attributes(deletionKey.String("ended"))}
	r.expired = []metric.AddOption{r.attributes(deletionKey.String("expired"))}
}

func (r *Recorder) attributes(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attrs, r.store...)...))
}

// Record implements [metrics.Recorder].
func (r *Recorder) Record(ctx context.Context, e metrics.Event) {
	r.duration.Record(ctx, e.Duration.Seconds(), r.outcome[e.Op][e.Result]...)
	if e.Op == metrics.DeleteExpired && e.Deleted > 0 {
		r.deleted.Add(ctx, e.Deleted, r.expired...)
	}
	if e.Op == metrics.EndSessions && e.Deleted > 0 {
		r.deleted.Add(ctx, e.Deleted, r.ended...)
	}
	if e.Op == metrics.Load && e.Result.Rejection() {
		r.rejected.Add(ctx, 1, r.rejection[e.Result]...)
	}
	if e.Result != metrics.OK {
		return
	}
	switch e.Op {
	case metrics.Create:
		r.created.Add(ctx, 1, r.plain...)
	case metrics.Renew, metrics.EndOtherSessions:
		r.renewed.Add(ctx, 1, r.plain...)
	case metrics.Delete, metrics.DeleteUnchanged, metrics.EndSession:
		r.deleted.Add(ctx, 1, r.ended...)
	}
	switch e.Op {
	case metrics.Load, metrics.Create, metrics.Save, metrics.Renew:
		r.dataSize.Record(ctx, int64(e.DataBytes), r.operation[e.Op]...)
		r.tokenSize.Record(ctx, int64(e.TokenBytes), r.operation[e.Op]...)
	}
}
