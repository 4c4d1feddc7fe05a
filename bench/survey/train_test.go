package survey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/survey"
	"sessionengine/signedcookie"
)

func corpusSessions(t testing.TB, kind string) []bench.Session {
	t.Helper()
	sessions, err := bench.CorpusSessions(kind)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

func TestTrainingShrinksSessionsThatItHasNotSeen(t *testing.T) {
	carts := corpusSessions(t, "cart")
	training, err := survey.Train(t.Context(), append(carts, carts[:7]...), 1)
	if err != nil {
		t.Fatal(err)
	}
	if training.Sessions != 67 || training.Copies != 7 || training.Trained != 48 || training.HeldOut != 12 ||
		training.Unused != 0 {
		t.Errorf("got %d sessions, %d copies, %d trained, %d held out; want 67, 7, 48, 12", training.Sessions,
			training.Copies, training.Trained, training.HeldOut)
	}
	if len(training.Dictionary) == 0 || training.Bytes != len(training.Dictionary) {
		t.Errorf("a dictionary of %d bytes, said to have %d", len(training.Dictionary), training.Bytes)
	}
	mean := make(map[string]int)
	for _, c := range training.Cookies {
		mean[c.Scheme+", "+c.Compression] = c.Mean
		if c.TooLarge != 0 || c.Min > c.Median || c.Median > c.Max || c.Mean < c.Min || c.Mean > c.Max {
			t.Errorf("%s, %s: %+v", c.Scheme, c.Compression, c)
		}
	}
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		none, builtin, trained := mean[scheme.String()+", "+survey.Uncompressed],
			mean[scheme.String()+", "+survey.BuiltinDictionary], mean[scheme.String()+", "+survey.TrainedDictionary]
		if !(trained < builtin && builtin < none) {
			t.Errorf("%v: %d bytes with a trained dictionary, %d with the built-in one, %d without", scheme, trained,
				builtin, none)
		}
		if saves := training.Saves(scheme); saves < 0.1 || saves > 0.5 {
			t.Errorf("%v: it is said to save %.2f", scheme, saves)
		}
	}
}

func TestTrainingFollowsFromItsSeed(t *testing.T) {
	carts := corpusSessions(t, "cart")
	dictionary := func(seed uint64) []byte {
		training, err := survey.Train(t.Context(), carts, seed)
		if err != nil {
			t.Fatal(err)
		}
		return training.Dictionary
	}
	if !bytes.Equal(dictionary(1), dictionary(1)) {
		t.Error("one seed gave two dictionaries")
	}
	if bytes.Equal(dictionary(1), dictionary(2)) {
		t.Error("two seeds gave one dictionary")
	}
}

// Sessions that are there several times would otherwise be on both sides.
func TestTrainingCountsCopiesOnce(t *testing.T) {
	var sessions []bench.Session
	for i := range 40 {
		text := fmt.Appendf(nil, `{"name":"a word that all have in common","own":"%x"}`,
			bytes.Repeat([]byte{byte(i), byte(i * 7), byte(i * 31)}, 1+i%3))
		s, err := bench.ParseSession(text, "x")
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s, s, s)
	}
	training, err := survey.Train(t.Context(), sessions, 1)
	if err != nil {
		t.Fatal(err)
	}
	if training.Copies != 80 || training.Trained+training.HeldOut != 40 {
		t.Errorf("%d copies, %d trained, %d held out, want 80, and 40 together", training.Copies, training.Trained,
			training.HeldOut)
	}
}

func TestTrainingNeedsSessions(t *testing.T) {
	logins := corpusSessions(t, "login")
	if _, err := survey.Train(t.Context(), logins[:survey.MinTraining-1], 1); !errors.Is(err,
		survey.ErrTooFewSessions) {
		t.Errorf("%d sessions: got %v", survey.MinTraining-1, err)
	}
	copies := make([]bench.Session, 100)
	for i := range copies {
		copies[i] = logins[i%5]
	}
	if _, err := survey.Train(t.Context(), copies, 1); !errors.Is(err, survey.ErrTooFewSessions) {
		t.Errorf("five sessions, twenty times each: got %v", err)
	}
	if _, err := survey.Train(t.Context(), logins[:survey.MinTraining], 1); err != nil {
		t.Errorf("%d sessions: %v", survey.MinTraining, err)
	}
}

func TestTrainingKeepsTheDictionaryToItself(t *testing.T) {
	training, err := survey.Train(t.Context(), corpusSessions(t, "cart"), 1)
	if err != nil {
		t.Fatal(err)
	}
	report, err := json.Marshal(training)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(report, []byte("_auth_user")) || bytes.Contains(report, []byte("product_id")) {
		t.Error("the report contains parts of sessions")
	}
}
