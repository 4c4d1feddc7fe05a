package bench

import "math"

// confidence is that of all intervals, each for itself.
const confidence = 0.95

// alpha is the share of runs in which a family of comparisons finds a difference
// where there is none. Each comparison of a family of m has a level of 1-alpha/m
// (Bonferroni).
const alpha = 0.05

// margin is how far a ratio has to be from 1 to count as a difference: copies of
// an engine differ by up to a per cent, by where they lie in memory.
const margin = 0.02

// equalRequest is by how many nanoseconds two requests have to differ to count as
// different: what does next to nothing differs by that much, by where things lie in
// the processor's caches.
const equalRequest = 200

// againMargin is the margin between kinds of request, which do not have the same
// number of operations in a sample.
const againMargin = 0.10

// A Comparison is one of two costs that were measured in the same rounds.
type Comparison struct {
	// Ratio is that of the first cost to the second, and Difference the first
	// less the second, in nanoseconds, with intervals at 95 %. A ratio to
	// something that cannot be told from nothing says nothing.
	Ratio      Estimate `json:"ratio"`
	Difference Estimate `json:"difference"`

	// Different says that the two differ by more than a margin of some per cent and
	// a fifth of a microsecond, at a level that allows for all the comparisons that were made together.
	Different bool `json:"different"`
}

// compare compares a with b, one of family comparisons.
func compare(a, b quantity, family int, margin float64) Comparison {
	ratio, difference := ratio(a, b), difference(a, b)
	c := Comparison{Ratio: ratio.estimate(confidence), Difference: difference.estimate(confidence)}
	strict := ratio.estimate(1 - alpha/float64(max(family, 1)))
	// What is not known has an interval without ends.
	c.Different = (strict.Lo > 1+margin || strict.Hi < 1-margin) && math.Abs(c.Difference.Value) > equalRequest
	return c
}
