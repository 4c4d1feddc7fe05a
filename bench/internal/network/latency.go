package network

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Latency tells how long requests took.
type Latency struct {
	N    int64         `json:"n"`
	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// The range of a histogram, whose values have three significant digits. What
// takes longer counts as the longest.
const (
	shortest = 100 * time.Nanosecond
	longest  = 100 * time.Second
)

// A histogram counts latencies.
type histogram struct{ h *hdrhistogram.Histogram }

func newHistogram() histogram {
	return histogram{hdrhistogram.New(int64(shortest), int64(longest), 3)}
}

func (h histogram) add(times ...time.Duration) {
	for _, t := range times {
		h.h.RecordValue(int64(min(t, longest))) // within the range, so it cannot fail
	}
}

func (h histogram) latency() Latency {
	at := func(percent float64) time.Duration { return time.Duration(h.h.ValueAtQuantile(percent)) }
	return Latency{
		N:    h.h.TotalCount(),
		Mean: time.Duration(h.h.Mean()),
		P50:  at(50),
		P90:  at(90),
		P99:  at(99),
		P999: at(99.9),
		Max:  time.Duration(h.h.Max()),
	}
}
