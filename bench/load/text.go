package load

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// WriteText writes a table of each session and mix for people to read, in lines
// of at most 80 columns.
func (r *Result) WriteText(w io.Writer) error {
	var out bytes.Buffer
	version := "HTTP/2"
	if r.HTTP1 {
		version = "HTTP/1.1"
	}
	fmt.Fprintf(&out, "Requests over TLS and %s, site and visitors on one machine; milliseconds.\n", version)
	fmt.Fprintf(&out, "Closed: each visitor waits for the answer, and then sends the next request.\n")
	if r.Utilization > 0 {
		fmt.Fprintf(&out, "Open: requests come at random, whether there are answers or not, at %.0f %% of\n", 100*r.Utilization)
		fmt.Fprintf(&out, "what the slowest engine can do.\n")
	}
	fmt.Fprintf(&out, "Lost are requests that failed, or came too late to be sent.\n")
	table := ""
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Loop != Closed {
			continue
		}
		if name := fmt.Sprintf("%s, %s", s.Session, s.Mix); name != table {
			table = name
			fmt.Fprintf(&out, "\n%-26s%24s%24s\n", name, "closed loop", "open loop")
			fmt.Fprintf(&out, "%-18s%8s%8s%8s%8s%8s%8s%8s%6s\n", "engine", "visitors", "p50", "p99", "req/s", "p50", "p99", "p99.9", "lost")
		}
		r.writeRow(&out, s)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// writeRow writes what was measured in the closed loop, and of the same in the
// open one.
func (r *Result) writeRow(out *bytes.Buffer, s *Sample) {
	fmt.Fprintf(out, "%-18s%8d", s.Engine, s.Concurrency)
	if s.TooLarge != "" {
		fmt.Fprintf(out, "  too large\n")
		return
	}
	fmt.Fprintf(out, "%8s%8s%8.0f", ms(s.Latency.P50), ms(s.Latency.P99), s.Throughput.Median)
	lost := s.Errors
	if o := r.open(s); o != nil {
		fmt.Fprintf(out, "%8s%8s%8s", ms(o.Latency.P50), ms(o.Latency.P99), ms(o.Latency.P999))
		lost += o.Errors + o.Unsent
	} else {
		fmt.Fprintf(out, "%8s%8s%8s", "-", "-", "-")
	}
	fmt.Fprintf(out, "%6d\n", lost)
}

// open returns what was measured of the same as s in the open loop, or nil.
func (r *Result) open(s *Sample) *Sample {
	for i := range r.Samples {
		o := &r.Samples[i]
		if o.Loop == Open && o.Engine == s.Engine && o.Session == s.Session && o.Mix == s.Mix && o.Concurrency == s.Concurrency {
			return o
		}
	}
	return nil
}

// ms returns a time in milliseconds with three digits.
func ms(d time.Duration) string {
	v := float64(d) / 1e6
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
