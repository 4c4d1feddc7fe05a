package network

import (
	"cmp"
	"math"

	"sessionengine/bench"
)

// An Observation is how long something took with an engine, measured through a
// server, and what the model said that it would take. Times are in seconds.
type Observation struct {
	// Scenario names what was done and under which circumstances; those of one
	// name differ in the engine only.
	Scenario string `json:"scenario"`
	Engine   string `json:"engine"`

	Measured  bench.Estimate `json:"measured_s"`
	Predicted float64        `json:"predicted_s"`

	// Without is what the same takes on a site without sessions, and is a part
	// of both Measured and Predicted: the model knows nothing of it.
	Without float64 `json:"without_session_s"`
}

// Error returns how far the prediction is off, as a share of what was measured.
func (o Observation) Error() float64 {
	return math.Abs(o.Predicted-o.Measured.Value) / o.Measured.Value
}

// shareError is Error without what is there without a session. It is not a
// number where the session's share is too small to be measured that way.
func (o Observation) shareError() float64 {
	share := o.Measured.Value - o.Without
	if share < minShare*o.Measured.Value {
		return math.NaN()
	}
	return math.Abs(o.Predicted-o.Measured.Value) / share
}

// minShare is the least share of a time that a session's share of it can have
// and still be compared: a difference of two times is as uncertain as both.
const minShare = 0.1

// A Validation holds the model against measurements.
type Validation struct {
	Observations []Observation `json:"observations"`

	// Scenarios is the number of scenarios with two engines or more. In Told of
	// them, the intervals of at least two engines do not overlap; in Right of
	// those, all the engines that can be told apart are in the order that the
	// model predicted. Wrong names the others.
	Scenarios int      `json:"scenarios"`
	Told      int      `json:"told_apart"`
	Right     int      `json:"order_right"`
	Wrong     []string `json:"order_wrong,omitempty"`

	// Error is the median of the observations' errors, as shares of what was
	// measured, and Within20 the share of observations with one of 0.2 at most.
	Error    float64 `json:"median_error"`
	Within20 float64 `json:"within_20_percent"`

	// ShareError is the median error of what the session alone takes, as a
	// share of that, in the Shares observations in which that is a tenth of the
	// whole at least. It is 0 without any.
	ShareError float64 `json:"median_error_of_share"`
	Shares     int     `json:"shares"`
}

// Validate holds predictions against measurements. It returns nil without any.
func Validate(observations []Observation) *Validation {
	if len(observations) == 0 {
		return nil
	}
	v := &Validation{Observations: observations}
	var errs, shares []float64
	within := 0
	byScenario := make(map[string][]Observation)
	var names []string
	for _, o := range observations {
		errs = append(errs, o.Error())
		if o.Error() <= 0.2 {
			within++
		}
		if e := o.shareError(); !math.IsNaN(e) {
			shares = append(shares, e)
		}
		if byScenario[o.Scenario] == nil {
			names = append(names, o.Scenario)
		}
		byScenario[o.Scenario] = append(byScenario[o.Scenario], o)
	}
	v.Error, v.Within20 = bench.Summarize(errs, 0.95).Value, float64(within)/float64(len(errs))
	if v.Shares = len(shares); v.Shares > 0 {
		v.ShareError = bench.Summarize(shares, 0.95).Value
	}
	for _, name := range names {
		if len(byScenario[name]) < 2 {
			continue
		}
		v.Scenarios++
		told, right := order(byScenario[name])
		switch {
		case !told:
		case right:
			v.Told++
			v.Right++
		default:
			v.Told++
			v.Wrong = append(v.Wrong, name)
		}
	}
	return v
}

// order returns whether any two engines of a scenario can be told apart, and
// whether all of those that can are in the predicted order.
func order(scenario []Observation) (told, right bool) {
	right = true
	for i, a := range scenario {
		for _, b := range scenario[i+1:] {
			if a.Measured.Hi >= b.Measured.Lo && b.Measured.Hi >= a.Measured.Lo {
				continue
			}
			told = true
			if cmp.Compare(a.Measured.Value, b.Measured.Value) != cmp.Compare(a.Predicted, b.Predicted) {
				right = false
			}
		}
	}
	return told, right
}
