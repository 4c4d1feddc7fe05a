package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// noise returns n values around median with a spread of sd, and now and then an
// outlier, as timings have them.
func noise(r *rand.Rand, n int, median, sd float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = median * (1 + sd*r.NormFloat64())
		if r.IntN(20) == 0 {
			values[i] *= 1 + 3*r.Float64()
		}
	}
	return values
}

func TestSummarizeOfTenHasTheOrderStatisticsThatBelongToIt(t *testing.T) {
	values := []float64{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}
	got := Summarize(values, 0.95)
	// For ten values the 2nd to the 9th hold the median in 97.9 % of all cases.
	if got.Median != 5.5 || got.Lo != 2 || got.Hi != 9 || got.N != 10 {
		t.Errorf("got %+v", got)
	}
	if values[0] != 10 {
		t.Error("the values were reordered")
	}
	if got := Summarize(values, 0.99); got.Lo != 1 || got.Hi != 10 {
		t.Errorf("at 99 %%: got %+v, want the whole range", got)
	}
}

func TestSummarizeOfTooFewValuesHasNoInterval(t *testing.T) {
	if got := Summarize([]float64{1, 2, 3, 4, 5}, 0.95); !math.IsInf(got.Spread(), 1) || got.Median != 3 {
		t.Errorf("of five: got %+v", got)
	}
	if got := Summarize(nil, 0.95); !math.IsNaN(got.Median) {
		t.Errorf("of none: got %+v", got)
	}
}

func TestSummaryIntervalHoldsTheMedianAsOftenAsItPromises(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const trials = 1000
	hit := 0
	for range trials {
		if s := Summarize(noise(r, 10, 100, 0.05), 0.95); s.Lo <= 100 && 100 <= s.Hi {
			hit++
		}
	}
	if hit < 0.95*trials {
		t.Errorf("the interval held the true median in %d of %d trials", hit, trials)
	}
}

func TestReportOfEqualEnginesFindsNoDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const reports, comparisons = 400, 48
	wrong := 0
	for range reports {
		cs := make([]*Comparison, comparisons)
		for i := range cs {
			c := compare(noise(r, 10, 50, 0.08), noise(r, 10, 50, 0.08), 0.95)
			cs[i] = &c
		}
		decide(cs, alpha)
		for _, c := range cs {
			if c.Different {
				wrong++
				break
			}
		}
	}
	if wrong > 0.05*reports {
		t.Errorf("%d of %d reports found a difference where there is none", wrong, reports)
	}
}

func TestKnownDifferencesAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const reports, comparisons = 50, 48
	found, covered := 0, 0
	for range reports {
		cs := make([]*Comparison, comparisons)
		for i := range cs {
			c := compare(noise(r, 10, 130, 0.03), noise(r, 10, 100, 0.03), 0.95)
			cs[i] = &c
		}
		decide(cs, alpha)
		for _, c := range cs {
			if c.Different {
				found++
			}
			if c.Ratio.Lo <= 1.3 && 1.3 <= c.Ratio.Hi {
				covered++
			}
		}
	}
	if found < 0.85*reports*comparisons {
		t.Errorf("%d of %d differences of 30 %% were found", found, reports*comparisons)
	}
	if covered < 0.95*reports*comparisons {
		t.Errorf("the interval held the true ratio in %d of %d comparisons", covered, reports*comparisons)
	}
}

func TestCompareCancelsADriftThatHitsBoth(t *testing.T) {
	a, b := make([]float64, 10), make([]float64, 10)
	for i := range a {
		drift := 1 + float64(i) // the machine becomes ten times slower
		a[i], b[i] = 20*drift, 10*drift
	}
	c := compare(a, b, 0.95)
	if c.Ratio.Median != 2 || c.Ratio.Lo != 2 || c.Ratio.Hi != 2 {
		t.Errorf("got %+v, want exactly 2", c.Ratio)
	}
}

func TestDifferenceFromAlmostNothingIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	much, nothing := noise(r, 10, 100, 0.05), make([]float64, 10)
	for i := range nothing {
		nothing[i] = r.NormFloat64() // as often less than nothing as more
	}
	c := compare(much, nothing, 0.95)
	decide([]*Comparison{&c}, alpha)
	if !c.Different {
		t.Errorf("100 and about 0 were not told apart: %+v", c)
	}
}

func TestTooFewRoundsTellNothingApart(t *testing.T) {
	c := compare([]float64{1, 1, 1}, []float64{9, 9, 9}, 0.95)
	decide([]*Comparison{&c}, alpha)
	if c.Different {
		t.Error("three rounds were enough for a difference")
	}
}

func TestDecideDividesAlphaAmongTheComparisons(t *testing.T) {
	apart := Summary{Median: 2, Lo: 1, Hi: 3}
	cs := []*Comparison{
		{P: 0.02, Difference: apart},
		{P: 0.001, Difference: apart},
		{P: 0.026, Difference: apart},
	}
	decide(cs, 0.05)
	// 0.001 <= 0.05/3, 0.02 <= 0.05/2, 0.026 <= 0.05/1.
	for i, c := range cs {
		if !c.Different {
			t.Errorf("comparison %d was not found different", i)
		}
	}
	cs = []*Comparison{
		{P: 0.03, Difference: apart},
		{P: 0.04, Difference: apart},
		{P: 0.001, Difference: Summary{Median: 1, Lo: -1, Hi: 2}},
	}
	decide(cs, 0.05)
	// 0.001 passes, but its interval holds 0; 0.03 > 0.05/2 ends it.
	for i, c := range cs {
		if c.Different {
			t.Errorf("comparison %d was found different", i)
		}
	}
}

func TestQuietness(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	tests := []struct {
		name            string
		sd              float64
		noisy, tooNoisy bool
	}{
		{"a quiet machine", 0.01, false, false},
		{"a busy machine", 0.2, true, false},
		{"a machine that does something else", 2, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values := noise(r, 50, 100, 0)
			for i := range values {
				values[i] = 100 * math.Exp(tt.sd*r.NormFloat64())
			}
			q := quietness(values)
			if q.Noisy() != tt.noisy || q.TooNoisy() != tt.tooNoisy {
				t.Errorf("spread %.3f: noisy %v, too noisy %v", q.Spread, q.Noisy(), q.TooNoisy())
			}
			if tt.noisy && (q.Confidence() <= 0.95 || q.Alpha() >= alpha) {
				t.Error("a noisy machine's intervals are no wider")
			}
		})
	}
	if q := quietness([]float64{1}); q.Noisy() || q.TooNoisy() {
		t.Error("one value was found noisy")
	}
}
