package otelmetrics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// SessionCounter is an engine that can count the sessions it keeps.
type SessionCounter interface {
	// Count returns the number of sessions that are active and of those that
	// are expired and still there.
	Count(ctx context.Context) (active, expired int64, err error)
}

// ObserveSessions adds the gauge sessionengine.session.count, for which engine
// counts its sessions whenever metrics are collected. Since that may take long
// in a large table, they are counted at most once in the time that every says,
// and the last figures stand in between; 0 is a minute. A count that fails is
// not collected, and its error goes to OpenTelemetry's error handler.
//
// All machines that share a database count the same sessions: their figures must
// not be added up, and one of them is enough to count.
//
// Unregister of the Registration ends it; it has to be called before the engine
// is closed.
func (r *Recorder) ObserveSessions(engine SessionCounter, every time.Duration) (metric.Registration, error) {
	switch {
	case engine == nil:
		return nil, errors.New("otelmetrics: ObserveSessions needs an engine")
	case every < 0:
		return nil, fmt.Errorf("otelmetrics: sessions cannot be counted every %v", every)
	case every == 0:
		every = time.Minute
	}
	count, err := r.meter.Int64ObservableGauge("sessionengine.session.count",
		metric.WithUnit("{session}"),
		metric.WithDescription("Sessions in the store."))
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	active := r.attributes(stateKey.String("active"))
	expired := r.attributes(stateKey.String("expired"))
	census := &census{engine: engine, every: every}
	registration, err := r.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		a, e, err := census.count(ctx)
		if err != nil {
			return fmt.Errorf("otelmetrics: sessions could not be counted: %w", err)
		}
		o.ObserveInt64(count, a, active)
		o.ObserveInt64(count, e, expired)
		return nil
	}, count)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	return registration, nil
}

// census is the last count of an engine's sessions.
type census struct {
	engine SessionCounter
	every  time.Duration

	mu              sync.Mutex // several readers may collect at the same time
	taken           time.Time
	active, expired int64
}

func (c *census) count(ctx context.Context) (active, expired int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken.IsZero() || time.Since(c.taken) >= c.every {
		if active, expired, err = c.engine.Count(ctx); err != nil {
			return 0, 0, err
		}
		c.active, c.expired, c.taken = active, expired, time.Now()
	}
	return c.active, c.expired, nil
}
