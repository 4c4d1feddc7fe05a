package signedcookie_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sessionengine/signedcookie"
)

func train(t testing.TB, samples [][]byte, opts signedcookie.TrainOptions) []byte {
	t.Helper()
	dictionary, err := signedcookie.TrainDictionary(samples, opts)
	if err != nil {
		t.Fatal(err)
	}
	return dictionary
}

// A dictionary is trained on one half of the sessions of a kind and tried on the
// other half.
func TestTrainedDictionaryShrinksOtherSessions(t *testing.T) {
	builtin := newStore(t, signedcookie.Options{Scheme: signedcookie.Sealed})
	var mixed [][]byte
	for _, kind := range []string{"flashes", "checkout", "cart", "cart-vi", "checkout-ja", "rails", "laravel",
		"express"} {
		sessions := corpus(t, kind)
		mixed = append(mixed, sessions[len(sessions)/2:]...)
	}
	all := newStore(t, signedcookie.Options{Scheme: signedcookie.Sealed,
		Dictionary: train(t, mixed, signedcookie.TrainOptions{MaxBytes: signedcookie.MaxDictionaryBytes})})
	for _, kind := range []string{"login", "flashes", "checkout", "cart", "large-cart", "cart-vi", "checkout-ja",
		"rails", "laravel", "express"} {
		sessions := corpus(t, kind)
		n := len(sessions) / 2
		own := newStore(t, signedcookie.Options{Scheme: signedcookie.Sealed,
			Dictionary: train(t, sessions[n:], signedcookie.TrainOptions{})})
		var before, after, ofAll int
		for _, data := range sessions[:n] {
			before += len(save(t, builtin, string(data)))
			after += len(save(t, own, string(data)))
			ofAll += len(save(t, all, string(data)))
		}
		t.Logf("%-12s %4d bytes, %4d with a dictionary of its kind, %4d with one of many kinds", kind, before/n,
			after/n, ofAll/n)
		// The built-in dictionary has all of a bare login, and needs no id, which
		// takes 4 characters.
		allowed := before
		if kind == "login" {
			allowed += 12 * n
		}
		if after > allowed || ofAll > allowed {
			t.Errorf("%s: cookies of %d bytes became %d with a dictionary of their kind, and %d with one of many kinds",
				kind, before/n, after/n, ofAll/n)
		}
	}
}

func TestTrainingIsDeterministic(t *testing.T) {
	sessions := corpus(t, "cart")
	first := train(t, sessions, signedcookie.TrainOptions{})
	for range 3 {
		if !bytes.Equal(train(t, sessions, signedcookie.TrainOptions{}), first) {
			t.Fatal("the same samples gave two dictionaries")
		}
	}
}

func TestDictionaryHoldsNothingOfOneVisitor(t *testing.T) {
	var samples [][]byte
	for i := range 100 {
		samples = append(samples, fmt.Appendf(nil, `{"user_id":%d,"street":"%s","city":"%s","token":"%s"}`,
			100000+i*7919, "Road of "+visitor(i), []string{"Springfield", "Shelbyville"}[i%2], noise(32, uint64(i))))
	}
	dictionary := string(train(t, samples, signedcookie.TrainOptions{MaxBytes: signedcookie.MaxDictionaryBytes}))
	for _, common := range []string{`","city":"`, "ringfield", "elbyville", `"street":"Road of `} {
		if !strings.Contains(dictionary, common) {
			t.Errorf("%q is in all sessions or half of them, and not in the dictionary", common)
		}
	}
	for i, sample := range samples {
		for what, private := range map[string]string{"number": fmt.Sprint(100000 + i*7919), "name": visitor(i),
			"token": string(noise(32, uint64(i)))} {
			for j := range len(private) - 5 {
				if strings.Contains(dictionary, private[j:j+6]) {
					t.Errorf("a part of the %s of session %d is in the dictionary, and in two sessions at most: %q "+
						"in %q", what, i, private[j:j+6], sample)
				}
			}
		}
	}
}

// visitor returns a made-up name that two sessions share.
func visitor(i int) string {
	return strings.Map(func(r rune) rune { return 'a' + r%26 }, string(noise(12, uint64(1000+i/2))))
}

func TestTrainingChecksWhatItIsGiven(t *testing.T) {
	carts := corpus(t, "cart")
	var different [][]byte
	for i := range 20 {
		different = append(different, fmt.Appendf(nil, "%s", noise(15, uint64(i))))
	}
	for name, tc := range map[string]struct {
		samples [][]byte
		opts    signedcookie.TrainOptions
		want    string
	}{
		"no samples":   {nil, signedcookie.TrainOptions{}, "too few"},
		"nine samples": {carts[:9], signedcookie.TrainOptions{}, "too few"},
		"a dictionary above the limit": {carts,
			signedcookie.TrainOptions{MaxBytes: signedcookie.MaxDictionaryBytes + 1}, "TrainOptions.MaxBytes"},
		"a negative size": {carts, signedcookie.TrainOptions{MaxBytes: -1},
			"TrainOptions.MaxBytes"},
		"a negative number of sessions": {carts, signedcookie.TrainOptions{MinSessions: -1},
			"TrainOptions.MinSessions"},
		"more sessions needed than there are": {carts, signedcookie.TrainOptions{MinSessions: 1000},
			"nothing in common"},
		"sessions with nothing in common": {different, signedcookie.TrainOptions{}, "nothing in common"},
		"empty sessions":                  {make([][]byte, 20), signedcookie.TrainOptions{}, "nothing in common"},
	} {
		if _, err := signedcookie.TrainDictionary(tc.samples, tc.opts); err == nil ||
			!strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
	for _, size := range []int{5, 100, signedcookie.MaxDictionaryBytes} {
		if n := len(train(t, carts, signedcookie.TrainOptions{MaxBytes: size})); n > size {
			t.Errorf("a dictionary of %d bytes, MaxBytes is %d", n, size)
		}
	}
}
