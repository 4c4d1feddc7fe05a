package ratiotest

import "testing"

type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink uint64

func TestQuadraticWorkIsFoundAndLinearWorkIsNot(t *testing.T) {
	for _, tc := range []struct {
		name string
		work func(n int) int
		want bool
	}{
		{"linear", func(n int) int { return 1000 * n }, false},
		{"quadratic", func(n int) int { return 10 * n * n }, true},
	} {
		rec := &recorder{TB: t}
		Linear(rec, 100, func(n int) func() {
			return func() {
				for range tc.work(n) {
					sink = sink*6364136223846793005 + 1
				}
			}
		})
		if rec.failed != tc.want {
			t.Errorf("%s: failed is %v", tc.name, rec.failed)
		}
	}
}
