package otelmetrics_test

import (
	"context"
	"fmt"
	"log"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"sessionengine/metrics"
	"sessionengine/metrics/otelmetrics"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func Example() {
	ctx := context.Background()
	reader := sdk.NewManualReader() // a program has one that exports
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	defer provider.Shutdown(ctx)

	recorder, err := otelmetrics.New(otelmetrics.Options{MeterProvider: provider})
	if err != nil {
		log.Fatal(err)
	}
	store := metrics.Instrument(sessiontest.NewMemory(), recorder)
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_ = m

	_, err = store.Save(ctx, "", &session.Record{Data: []byte(`{"user_id":20}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		log.Fatal(err)
	}
	for _, metric := range collected.ScopeMetrics[0].Metrics {
		fmt.Println(metric.Name, metric.Unit)
	}
	// Unordered output:
	// sessionengine.operation.duration s
	// sessionengine.data.size By
	// sessionengine.token.size By
	// sessionengine.session.created {session}
}
