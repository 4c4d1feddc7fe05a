package survey_test

import (
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/survey"
)

func TestEncodersDifferAsTheirFormatsDo(t *testing.T) {
	carts, err := bench.CorpusSessions("cart")
	if err != nil {
		t.Fatal(err)
	}
	all, err := survey.MeasureEncoders(t.Context(), "cart", carts)
	if err != nil {
		t.Fatal(err)
	}
	sizes := make(map[string]int)
	for _, e := range all {
		if e.Session != "cart" || e.Sessions != len(carts)/2 || e.TooLarge != 0 {
			t.Errorf("%+v", e)
		}
		if c := e.Cookie; c.Min > c.Median || c.Median > c.Max || c.Max >= e.JSON.Max {
			t.Errorf("%s: cookies of %+v for JSON of %+v", e.Encoder, c, e.JSON)
		}
		sizes[e.Encoder] = e.Cookie.Median
	}
	if len(sizes) != len(survey.Encoders()) {
		t.Fatalf("measured %v", sizes)
	}
	for _, pair := range [][2]string{
		{"sealed", "signed"},
		{"signed, trained", "signed"},
		{"sealed, trained", "sealed"},
		{"signed", "encrypted"},
	} {
		if sizes[pair[0]] >= sizes[pair[1]] {
			t.Errorf("%s cookies have %d bytes, %s ones %d", pair[0], sizes[pair[0]], pair[1], sizes[pair[1]])
		}
	}
}

func TestTooFewSessionsAreEncodedWithoutADictionary(t *testing.T) {
	logins, err := bench.CorpusSessions("login")
	if err != nil {
		t.Fatal(err)
	}
	all, err := survey.MeasureEncoders(t.Context(), "login", logins[:8])
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Errorf("%d encoders, want the three without a dictionary", len(all))
	}
	for _, e := range all {
		if e.Sessions != 4 {
			t.Errorf("%s: %d sessions", e.Encoder, e.Sessions)
		}
	}
}

func TestSessionsThatNoCookieHoldsAreCounted(t *testing.T) {
	large, err := bench.CorpusSessions("token-cache")
	if err != nil {
		t.Fatal(err)
	}
	all, err := survey.MeasureEncoders(t.Context(), "token-cache", large)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.TooLarge != e.Sessions || e.Cookie.Min <= 4096 {
			t.Errorf("%s: %d of %d sessions are too large; cookies of %+v", e.Encoder, e.TooLarge, e.Sessions, e.Cookie)
		}
	}
}
