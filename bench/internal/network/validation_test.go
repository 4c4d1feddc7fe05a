package network

import (
	"math"
	"slices"
	"testing"

	"sessionengine/bench"
)

// observed has an interval of a tenth on both sides.
func observed(scenario, engine string, measured, predicted, without float64) Observation {
	return Observation{
		Scenario: scenario, Engine: engine, Predicted: predicted, Without: without,
		Measured: bench.Estimate{Value: measured, Lo: 0.9 * measured, Hi: 1.1 * measured, N: 10, Confidence: 0.95},
	}
}

func TestValidationCountsWhatThePredictionsGotRight(t *testing.T) {
	v := Validate([]Observation{
		observed("right", "a", 1, 1.1, 0.5), observed("right", "b", 2, 2, 0.5), observed("right", "c", 4, 4, 0.5),
		observed("wrong", "a", 1, 3, 0.5), observed("wrong", "b", 2, 2, 0.5),
		// These two cannot be told apart, so that their order does not matter.
		observed("close", "a", 1, 1.1, 0.98), observed("close", "b", 1.1, 1, 0.98),
		observed("alone", "a", 1, 1, 1),
	})
	if v.Scenarios != 3 || v.Told != 2 || v.Right != 1 || !slices.Equal(v.Wrong, []string{"wrong"}) {
		t.Errorf("got %+v", v)
	}
	// The errors are 0.1, 0, 0, 2, 0, 0.1, 0.1/1.1 and 0.
	if want := 0.1 / 1.1 / 2; math.Abs(v.Error-want) > 1e-9 || v.Within20 != 7.0/8 {
		t.Errorf("median error %v, want %v; %v within 20 %%", v.Error, want, v.Within20)
	}
	// Where the session takes a tenth of the whole: 0.1/0.5, 0, 0, 2/0.5, 0 and
	// 0.1/0.12.
	if want := (0 + 0.2) / 2; math.Abs(v.ShareError-want) > 1e-9 || v.Shares != 6 {
		t.Errorf("median error of the share %v of %d, want %v", v.ShareError, v.Shares, want)
	}
}

func TestOrderWithEqualPredictionsIsWrongWhereEnginesDiffer(t *testing.T) {
	v := Validate([]Observation{observed("s", "a", 1, 1, 0), observed("s", "b", 2, 1, 0)})
	if v.Told != 1 || v.Right != 0 {
		t.Errorf("got %+v", v)
	}
}

func TestNothingMeasuredIsNotValidated(t *testing.T) {
	if v := Validate(nil); v != nil {
		t.Errorf("got %+v", v)
	}
}
