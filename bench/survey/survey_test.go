package survey_test

import (
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/survey"
)

func TestSurvey(t *testing.T) {
	var sessions []bench.Session
	for _, kind := range []string{"login", "token-cache"} {
		all, err := bench.CorpusSessions(kind)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, all[:8]...)
	}
	engines, err := bench.EnginesNamed("signedcookie", "dbstore")
	if err != nil {
		t.Fatal(err)
	}
	all, err := survey.Take(t.Context(), engines, sessions, survey.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if all.Sessions != 16 || all.Tried != 16 {
		t.Errorf("%d of %d tried, want all 16", all.Tried, all.Sessions)
	}
	if all.JSON.Min != 220 || all.JSON.Median != 220 || all.JSON.Max != sessions[15].Size {
		t.Errorf("sizes %+v", all.JSON)
	}
	if cookies := all.Engines[0]; cookies.TooLarge != 8 || cookies.Cookie.Max > 400 {
		t.Errorf("in cookies: %+v, want the 8 large ones refused", cookies)
	}
	if rows := all.Engines[1]; rows.TooLarge != 0 || rows.Cookie.Min != rows.Cookie.Max {
		t.Errorf("in rows: %+v, want all, with keys of one length", rows)
	}
}
