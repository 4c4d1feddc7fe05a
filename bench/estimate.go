package bench

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Noise on a machine is one-sided: what else runs there only adds to a time. So
// the cost of a request is not the mean or the median of what was measured, which
// move with the noise, but a low quantile of many samples that are so short that
// most of them are undisturbed (Chen and Revels, "Robust benchmarking in noisy
// environments", 2016, arXiv:1608.04295). The least of all would be biased by
// how many there are, and its interval is not the bootstrap's.

// lowQuantile is the share of samples that are below the estimate of a cost.
const lowQuantile = 0.10

// bootstrapDraws is how often the rounds of a run are drawn again.
const bootstrapDraws = 1000

// What it takes for an interval. With less there are only estimates.
const (
	MinRounds  = 12
	minSamples = 200
)

// An Estimate is a value that was estimated and its confidence interval.
type Estimate struct {
	Value      float64
	Lo, Hi     float64 // infinite where too little was measured
	N          int     // of the measurements that it comes from
	Confidence float64 // of the interval, from 0 to 1
}

// Summarize returns the median of values and its interval at a level of
// confidence, 0.95 for example: that of the order statistics, which assumes
// nothing about how values are distributed. It leaves values as they are.
func Summarize(values []float64, confidence float64) Estimate {
	if len(values) == 0 {
		return Estimate{Value: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1)}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds),
		confidence)
	return Estimate{Value: s.Center, Lo: s.Lo, Hi: s.Hi, N: len(values), Confidence: s.Confidence}
}

// Spread returns how far the interval reaches from the value to the farther
// side, as a share of the value.
func (e Estimate) Spread() float64 {
	if e.Lo == e.Hi {
		return 0
	}
	return math.Max(e.Hi-e.Value, e.Value-e.Lo) / math.Abs(e.Value)
}

// Known reports whether there is an interval.
func (e Estimate) Known() bool {
	return !math.IsInf(e.Lo, 0) && !math.IsInf(e.Hi, 0) && !math.IsNaN(e.Value)
}

// MarshalJSON leaves out what JSON has no number for.
func (e Estimate) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Value      *float64 `json:"value"`
		Lo         *float64 `json:"lo"`
		Hi         *float64 `json:"hi"`
		N          int      `json:"n"`
		Confidence float64  `json:"confidence"`
	}{finite(e.Value), finite(e.Lo), finite(e.Hi), e.N, e.Confidence})
}

// A quantity is something estimated from the rounds of a run: from all of them,
// and from each draw of rounds. Draws have the same numbers in all quantities of
// a run, so that what two of them have in common cancels out of their ratio or
// difference. Quantities are not changed once they are made.
type quantity struct {
	value float64
	draws []float64
	n     int  // measurements
	known bool // whether there are enough of them for an interval
}

// tailDraws is how many draws have to be beyond each end of an interval for the
// percentiles to be worth something.
const tailDraws = 5

// estimate returns the quantity with its interval: percentiles of the draws or, at
// a level so high that hardly a draw is beyond them, the normal distribution with
// the standard deviation of the draws (Efron and Tibshirani, "An Introduction to
// the Bootstrap", 1993, chapters 12 and 13).
func (q quantity) estimate(confidence float64) Estimate {
	e := Estimate{Value: q.value, Lo: math.Inf(-1), Hi: math.Inf(1), N: q.n, Confidence: confidence}
	if !q.known || len(q.draws) == 0 {
		return e
	}
	sorted := slices.Clone(q.draws)
	slices.Sort(sorted)
	tail := (1 - confidence) / 2
	if tail*float64(len(sorted)) < tailDraws {
		reach := math.Sqrt2 * math.Erfinv(confidence) * deviation(sorted)
		e.Lo, e.Hi = min(e.Value-reach, quantile(sorted, tail)), max(e.Value+reach, quantile(sorted, 1-tail))
		return e
	}
	e.Lo, e.Hi = quantile(sorted, tail), quantile(sorted, 1-tail)
	// The percentiles of a skew distribution may leave out the value itself.
	e.Lo, e.Hi = min(e.Lo, e.Value), max(e.Hi, e.Value)
	return e
}

// deviation returns the standard deviation of values.
func deviation(values []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// combine returns what f makes of quantities of the same run.
func combine(f func(v []float64) float64, of ...quantity) quantity {
	v := make([]float64, len(of))
	for i, q := range of {
		v[i] = q.value
	}
	result := quantity{value: f(v), known: true, n: of[0].n}
	draws := len(of[0].draws)
	for _, q := range of {
		draws = min(draws, len(q.draws))
		result.known = result.known && q.known
		result.n = min(result.n, q.n)
	}
	result.draws = make([]float64, draws)
	for d := range result.draws {
		for i, q := range of {
			v[i] = q.draws[d]
		}
		result.draws[d] = f(v)
	}
	return result
}

func ratio(a, b quantity) quantity {
	return combine(func(v []float64) float64 { return v[0] / v[1] }, a, b)
}

func difference(a, b quantity) quantity {
	return combine(func(v []float64) float64 { return v[0] - v[1] }, a, b)
}

// constant returns a quantity that was counted and not estimated.
func constant(v float64, like quantity) quantity {
	return quantity{value: v, draws: slices.Repeat([]float64{v}, len(like.draws)), n: like.n, known: true}
}

// A bootstrap are the draws of the rounds of a run: how often each round is in
// each draw (Efron, "Bootstrap methods: another look at the jackknife", 1979).
// Whole rounds are drawn, since what disturbs a machine lasts longer than a
// sample.
type bootstrap struct {
	rounds int
	counts [][]uint16 // by draw, and then by round
}

func newBootstrap(rounds int, seed uint64) *bootstrap {
	b := &bootstrap{rounds: rounds}
	if rounds == 0 {
		return b
	}
	r := rand.New(rand.NewPCG(seed, 1))
	b.counts = make([][]uint16, bootstrapDraws)
	flat := make([]uint16, bootstrapDraws*rounds)
	for d := range b.counts {
		b.counts[d] = flat[d*rounds : (d+1)*rounds]
		for range rounds {
			b.counts[d][r.IntN(rounds)]++
		}
	}
	return b
}

// low returns the low quantile of samples, which are a list for each round.
func (b *bootstrap) low(samples [][]float64) quantity { return b.quantile(samples, lowQuantile) }

// quantile returns the p-quantile of samples, which are a list for each round:
// the least of them that at least that share of all do not exceed.
func (b *bootstrap) quantile(samples [][]float64, p float64) quantity {
	type sample struct {
		value float64
		round int
	}
	var sorted []sample
	sizes := make([]int, b.rounds)
	for round, values := range samples[:b.rounds] {
		sizes[round] = len(values)
		for _, v := range values {
			sorted = append(sorted, sample{v, round})
		}
	}
	if len(sorted) == 0 {
		return quantity{value: math.NaN()}
	}
	slices.SortFunc(sorted, func(a, b sample) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	at := func(n int) int { return max(int(math.Ceil(p*float64(n))), 1) }
	q := quantity{
		value: sorted[at(len(sorted))-1].value, n: len(sorted),
		known: b.rounds >= MinRounds && len(sorted) >= minSamples,
		draws: make([]float64, len(b.counts)),
	}
	for d, counts := range b.counts {
		total := 0
		for round, size := range sizes {
			total += int(counts[round]) * size
		}
		if total == 0 {
			q.draws[d] = math.NaN()
			continue
		}
		left := at(total)
		for _, s := range sorted {
			if left -= int(counts[s.round]); left <= 0 {
				q.draws[d] = s.value
				break
			}
		}
	}
	return q
}

// mean returns the mean of samples, which are a list for each round.
func (b *bootstrap) mean(samples [][]float64) quantity {
	sums, sizes := make([]float64, b.rounds), make([]float64, b.rounds)
	var sum, n float64
	for round, values := range samples[:b.rounds] {
		for _, v := range values {
			sums[round] += v
		}
		sizes[round] = float64(len(values))
		sum, n = sum+sums[round], n+sizes[round]
	}
	q := quantity{value: sum / n, n: int(n), known: b.rounds >= MinRounds && n >= minSamples,
		draws: make([]float64, len(b.counts))}
	for d, counts := range b.counts {
		var sum, n float64
		for round, count := range counts {
			sum += float64(count) * sums[round]
			n += float64(count) * sizes[round]
		}
		q.draws[d] = sum / n
	}
	return q
}

// quantile returns the p-quantile of sorted values, between two of them where it
// falls there.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	if part := at - float64(i); part > 0 && sorted[i] < sorted[i+1] { // infinite ones have no difference
		return sorted[i] + part*(sorted[i+1]-sorted[i])
	}
	return sorted[i]
}
