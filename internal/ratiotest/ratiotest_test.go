package ratiotest

import (
	"testing"
	"time"
)

type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestQuadraticWorkIsFoundAndLinearWorkIsNot(t *testing.T) {
	for _, tc := range []struct {
		name string
		work func(n int) int
		want bool
	}{
		{"linear", func(n int) int { return n }, false},
		{"quadratic", func(n int) int { return n * n }, true},
	} {
		rec := &recorder{TB: t}
		Linear(rec, 4, func(n int) func() {
			return func() { time.Sleep(time.Duration(tc.work(n)) * 100 * time.Microsecond) }
		})
		if rec.failed != tc.want {
			t.Errorf("%s: failed is %v", tc.name, rec.failed)
		}
	}
}
