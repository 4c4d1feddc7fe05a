package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSummarizeOfTenHasTheOrderStatisticsThatBelongToIt(t *testing.T) {
	values := []float64{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}
	got := Summarize(values, 0.95)
	// For ten values the 2nd to the 9th hold the median in 97.9 % of all cases.
	if got.Value != 5.5 || got.Lo != 2 || got.Hi != 9 || got.N != 10 {
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
	if got := Summarize([]float64{1, 2, 3, 4, 5}, 0.95); !math.IsInf(got.Spread(), 1) || got.Value != 3 {
		t.Errorf("of five: got %+v", got)
	}
	if got := Summarize(nil, 0.95); !math.IsNaN(got.Value) {
		t.Errorf("of none: got %+v", got)
	}
}

// A machine is what it adds to the true times of samples, which are in turns those
// of two engines.
type machine func(r *rand.Rand, round, sample int) (factor float64)

// machines are how busy ones behave: interference that only adds.
var machines = map[string]machine{
	"quiet": func(*rand.Rand, int, int) float64 { return 1 },
	// The scheduler takes the processor away in the middle of some samples.
	"busy loops": func(r *rand.Rand, _, _ int) float64 {
		if r.IntN(5) == 0 {
			return 1 + 30*r.Float64()
		}
		return 1
	},
	"slower half of the time, in spells of some samples": func(r *rand.Rand, _, sample int) float64 {
		if sample/3%2 == 0 {
			return 1.2 + 0.02*r.ExpFloat64()
		}
		return 1
	},
	"slower in some rounds": func(_ *rand.Rand, round, _ int) float64 {
		if round%3 == 0 {
			return 1.15
		}
		return 1
	},
	"always slower, up to twice": func(r *rand.Rand, _, _ int) float64 { return 1 + r.Float64() },
	"heavy tail":                 func(r *rand.Rand, _, _ int) float64 { return 1 + 0.05*(math.Pow(1-r.Float64(), -1/1.2)-1) },
}

// measured makes the samples of two engines that cost 12 µs and, times the factor,
// 12 as well, on a machine, and vary by some per cent by themselves.
func (m machine) measured(r *rand.Rand, rounds, samples int, factor float64) (a, b [][]float64) {
	a, b = make([][]float64, rounds), make([][]float64, rounds)
	for round := range rounds {
		for i := range samples {
			own := func() float64 { return 12000 * (1 + 0.03*r.ExpFloat64()) }
			a[round] = append(a[round], own()*m(r, round, i))
			b[round] = append(b[round], factor*own()*m(r, round, i))
		}
	}
	return a, b
}

// The interval of a ratio holds the true one nearly as often as it says, whatever
// kind of noise there is, and stays narrow.
func TestRatioIntervalsHoldTheTrueRatioUnderOneSidedNoise(t *testing.T) {
	const trials, factor = 150, 1.2
	for name, m := range machines {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			held, found, width := 0, 0, 0.0
			for trial := range trials {
				a, b := m.measured(r, 24, 40, factor)
				boot := newBootstrap(24, uint64(trial))
				c := compare(boot.low(b), boot.low(a), 1, margin)
				if c.Ratio.Lo <= factor && factor <= c.Ratio.Hi {
					held++
				}
				if c.Different {
					found++
				}
				width += c.Ratio.Spread() / trials
			}
			t.Logf("held in %d of %d, ±%.2f %%", held, trials, 100*width)
			if held < trials*90/100 {
				t.Errorf("the interval held the true ratio in %d of %d trials", held, trials)
			}
			if found < trials {
				t.Errorf("a difference of 20 %% was found in %d of %d trials", found, trials)
			}
		})
	}
}

// Engines that cost the same are not told apart, but for the share of reports that
// alpha allows for all comparisons together.
func TestReportOfEqualEnginesFindsNoDifference(t *testing.T) {
	const reports, comparisons = 20, 24
	for name, m := range machines {
		r := rand.New(rand.NewPCG(3, 4))
		wrong := 0
		for trial := range reports {
			boot := newBootstrap(12, uint64(trial))
			for range comparisons {
				a, b := m.measured(r, 12, 28, 1)
				if compare(boot.low(a), boot.low(b), comparisons, margin).Different {
					wrong++
					break
				}
			}
		}
		if wrong > reports*5/100 {
			t.Errorf("%s: %d of %d reports found a difference where there is none", name, wrong, reports)
		}
	}
}

func TestTooLittleTellsNothingApart(t *testing.T) {
	for name, size := range map[string][2]int{"rounds": {MinRounds - 1, 100}, "samples": {MinRounds, 16}} {
		a, b := machines["quiet"].measured(rand.New(rand.NewPCG(1, 1)), size[0], size[1], 9)
		boot := newBootstrap(size[0], 1)
		if c := compare(boot.low(a), boot.low(b), 1, margin); c.Different || c.Ratio.Known() {
			t.Errorf("too few %s were enough: %+v", name, c)
		}
	}
}

// Requests that do next to nothing are not told apart, whatever their ratio is.
func TestAFifthOfAMicrosecondIsNoDifference(t *testing.T) {
	for base, want := range map[float64]bool{150: false, 1500: true} {
		boot := newBootstrap(12, 1)
		a, b := make([][]float64, 12), make([][]float64, 12)
		for i := range a {
			for range 20 {
				a[i], b[i] = append(a[i], 2*base), append(b[i], base)
			}
		}
		if c := compare(boot.low(a), boot.low(b), 1, margin); c.Different != want {
			t.Errorf("%v and %v ns: different: %v", 2*base, base, c.Different)
		}
	}
}

// Whole rounds are drawn, the same for all: what hits both of two costs in a round
// cancels out of their ratio.
func TestRatioCancelsADriftThatHitsBoth(t *testing.T) {
	boot := newBootstrap(12, 1)
	a, b := make([][]float64, 12), make([][]float64, 12)
	for i := range a {
		for range 20 {
			a[i], b[i] = append(a[i], 20*float64(1+i)), append(b[i], 10*float64(1+i))
		}
	}
	if c := compare(boot.low(a), boot.low(b), 1, margin); c.Ratio.Value != 2 || c.Ratio.Lo != 2 || c.Ratio.Hi != 2 {
		t.Errorf("got %+v, want exactly 2", c.Ratio)
	}
}

func TestQuantileIsTheLeastThatTheShareDoesNotExceed(t *testing.T) {
	boot := newBootstrap(2, 1)
	samples := [][]float64{{5, 1, 3, 9, 7}, {2, 4, 6, 8, 10}}
	for p, want := range map[float64]float64{0.01: 1, 0.1: 1, 0.11: 2, 0.5: 5, 0.9: 9, 1: 10} {
		if got := boot.quantile(samples, p).value; got != want {
			t.Errorf("the %v quantile is %v, want %v", p, got, want)
		}
	}
	if got := boot.mean(samples).value; got != 5.5 {
		t.Errorf("the mean is %v", got)
	}
	// A draw of one round twice has that round's quantile.
	for d, counts := range boot.counts {
		if counts[0] == 2 && boot.low(samples).draws[d] != 1 || counts[1] == 2 && boot.low(samples).draws[d] != 2 {
			t.Fatalf("the draw %v has %v", counts, boot.low(samples).draws[d])
		}
	}
}

// A draw of rounds without samples has no quantile; 0 would be one.
func TestDrawsWithoutSamplesHaveNoQuantile(t *testing.T) {
	b := newBootstrap(2, 1)
	for d, v := range b.quantile([][]float64{{3}, nil}, 0.5).draws {
		if has := b.counts[d][0] > 0; has && v != 3 || !has && !math.IsNaN(v) {
			t.Fatalf("draw %d of rounds %v: %v", d, b.counts[d], v)
		}
	}
}
