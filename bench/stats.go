package bench

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// alpha is the share of differences that a report finds by chance: it holds for
// all the comparisons of a report together.
const alpha = 0.05

// A Summary is the median of a number of measurements and its confidence
// interval, which is that of the order statistics and assumes nothing about
// how the measurements are distributed.
type Summary struct {
	Median     float64
	Lo, Hi     float64 // infinite when there are too few measurements
	N          int
	Confidence float64 // of the interval, from 0 to 1; at least what was asked for
}

// Summarize returns the summary of values at a level of confidence, 0.95 for
// example. It leaves values as they are.
func Summarize(values []float64, confidence float64) Summary {
	if len(values) == 0 {
		return Summary{Median: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1)}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds),
		confidence)
	return Summary{Median: s.Center, Lo: s.Lo, Hi: s.Hi, N: len(values), Confidence: s.Confidence}
}

// Spread returns how far the interval reaches from the median to the farther
// side, as a share of the median.
func (s Summary) Spread() float64 {
	if s.Lo == s.Hi {
		return 0
	}
	return math.Max(s.Hi-s.Median, s.Median-s.Lo) / math.Abs(s.Median)
}

// MarshalJSON leaves out what JSON has no number for.
func (s Summary) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Median     *float64 `json:"median"`
		Lo         *float64 `json:"lo"`
		Hi         *float64 `json:"hi"`
		N          int      `json:"n"`
		Confidence float64  `json:"confidence"`
	}{finite(s.Median), finite(s.Lo), finite(s.Hi), s.N, s.Confidence})
}

// A Comparison is one of two series that were measured in the same rounds.
type Comparison struct {
	// Ratio is that of the first series to the second, and Difference the first
	// less the second, in their unit: the median over the rounds, and its interval. A drift of
	// the machine that hits both series of a round alike cancels out. A ratio to
	// something that cannot be told from nothing says nothing.
	Ratio      Summary `json:"ratio"`
	Difference Summary `json:"difference"`

	// P is the probability of a difference as large as this one between series
	// that do not differ, by the Mann-Whitney U test.
	P float64 `json:"p"`

	// Different says that the series can be told apart: P is small enough, for
	// all the comparisons made together, and the interval of Difference
	// excludes 0.
	Different bool `json:"different"`
}

// compare compares a with b, which have one value for each round. The result's
// Different is left to [decide].
func compare(a, b []float64, confidence float64) Comparison {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	ratios, differences := make([]float64, n), make([]float64, n)
	for i := range n {
		ratios[i] = a[i] / b[i]
		differences[i] = a[i] - b[i]
	}
	return Comparison{
		Ratio:      Summarize(ratios, confidence),
		Difference: Summarize(differences, confidence),
		P:          mannWhitney(a, b),
	}
}

// mannWhitney returns the p-value of the two-sided Mann-Whitney U test.
func mannWhitney(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	sample := func(v []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(v), &benchmath.DefaultThresholds)
	}
	return benchmath.AssumeNothing.Compare(sample(a), sample(b)).P
}

// decide sets Different in comparisons that are made together, by Holm's
// method: among many comparisons some come out small by chance, so the smallest
// p-value has to be below alpha divided by their number, the next one below
// alpha divided by one less, and so on.
func decide(comparisons []*Comparison, alpha float64) {
	byP := slices.Clone(comparisons)
	slices.SortStableFunc(byP, func(a, b *Comparison) int { return cmp.Compare(a.P, b.P) })
	for i, c := range byP {
		if !(c.P <= alpha/float64(len(byP)-i)) {
			return
		}
		c.Different = c.Difference.Lo > 0 || c.Difference.Hi < 0
	}
}

// A Quiet says how quiet the machine was while it measured.
type Quiet struct {
	// Spread is that of the empty handler over the rounds, the same few
	// instructions again and again: the distance between its quartiles as a
	// share of its median. 0 with less than two measurements.
	Spread float64 `json:"spread"`
}

// The limits of a spread, beyond which a machine counts as noisy and as too
// noisy. A quiet machine stays below 0.03.
const (
	noisySpread    = 0.10
	tooNoisySpread = 0.40
)

// quietness judges the machine by the empty handler's times.
func quietness(empty []float64) Quiet {
	if len(empty) < 2 {
		return Quiet{}
	}
	sorted := slices.Clone(empty)
	slices.Sort(sorted)
	return Quiet{Spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / quantile(sorted, 0.5)}
}

// Noisy says that something else kept the machine busy. Intervals are then at
// 99 % instead of 95 %, and a difference needs five times the evidence.
func (q Quiet) Noisy() bool { return q.Spread > noisySpread }

// TooNoisy says that nothing should be concluded from the measurements.
func (q Quiet) TooNoisy() bool { return q.Spread > tooNoisySpread }

// Confidence is that of the intervals of a report.
func (q Quiet) Confidence() float64 {
	if q.Noisy() {
		return 0.99
	}
	return 0.95
}

// Alpha is how likely a difference may be found, in all comparisons of a family
// together, where there is none.
func (q Quiet) Alpha() float64 {
	if q.Noisy() {
		return alpha / 5
	}
	return alpha
}

// quantile returns the q-quantile of sorted values, between two of them where
// it falls there.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
