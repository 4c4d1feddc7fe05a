package survey

import (
	"context"
	"fmt"

	"sessionengine/bench"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// EncoderSizes are the sizes of one kind of session's cookies, made by one of
// the ways that package signedcookie has of making them.
type EncoderSizes struct {
	Session string `json:"session"`
	Encoder string `json:"encoder"`

	// Sessions is how many different sessions of the kind were encoded, and
	// TooLarge how many of them do not fit into a cookie that browsers take.
	// JSON is their size, and Cookie that of their cookies, name included,
	// whether they fit or not.
	Sessions int   `json:"sessions"`
	TooLarge int   `json:"too_large"`
	JSON     Sizes `json:"json_bytes"`
	Cookie   Sizes `json:"cookie_bytes"`
}

// encoders are those whose cookies [MeasureEncoders] measures. The trained ones
// use a dictionary that was trained on other sessions of the kind.
var encoders = []struct {
	name    string
	scheme  signedcookie.Scheme
	trained bool
}{
	{"signed", signedcookie.Signed, false},
	{"encrypted", signedcookie.Encrypted, false},
	{"sealed", signedcookie.Sealed, false},
	{"signed, trained", signedcookie.Signed, true},
	{"sealed, trained", signedcookie.Sealed, true},
}

// Encoders returns the names of the encoders, in the order of the tables.
func Encoders() []string {
	var names []string
	for _, e := range encoders {
		names = append(names, e.name)
	}
	return names
}

// MeasureEncoders encodes sessions of one kind with each encoder: the second
// half of them, since it is the first half that a dictionary is trained on. The
// encoders that need one are left out if the sessions are too few to train it,
// which takes ten.
func MeasureEncoders(ctx context.Context, kind string, sessions []bench.Session) ([]EncoderSizes, error) {
	texts := make([][]byte, len(sessions))
	for i, s := range sessions {
		texts[i] = s.JSON()
	}
	half := len(texts) / 2
	training, measured := texts[:half], texts[half:]
	var plain []int
	for _, text := range measured {
		plain = append(plain, len(text))
	}
	dictionary, err := signedcookie.TrainDictionary(training, signedcookie.TrainOptions{})
	trained := err == nil && len(dictionary) > 0

	var all []EncoderSizes
	for _, e := range encoders {
		opts := signedcookie.Options{Scheme: e.scheme}
		if e.trained {
			if !trained {
				continue
			}
			opts.Dictionary = dictionary
		}
		cookies, tooLarge, err := cookieSizes(ctx, opts, measured)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", kind, e.name, err)
		}
		for i := range cookies {
			cookies[i] += len(session.DefaultCookieName + "=")
		}
		all = append(all, EncoderSizes{Session: kind, Encoder: e.name, Sessions: len(measured), TooLarge: tooLarge,
			JSON: sizesOf(plain), Cookie: sizesOf(cookies)})
	}
	return all, nil
}
