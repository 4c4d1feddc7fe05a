package survey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"sessionengine/bench"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// A Training is a dictionary for package signedcookie, made from some of a
// site's own sessions, and what it saves on others of them.
type Training struct {
	// Dictionary is for signedcookie.Options.Dictionary. It consists of parts of
	// the sessions.
	Dictionary []byte `json:"-"`
	Bytes      int    `json:"dictionary_bytes"`

	// The sessions are put into an order that follows from Seed. Four fifths of
	// them train the dictionary, and it is tried on the others. A session that
	// equals another one counts once, so that none is on both sides.
	Seed     uint64 `json:"seed"`
	Sessions int    `json:"sessions"`
	Copies   int    `json:"copies"` // of them, left out
	Unused   int    `json:"unused"` // of them, beyond what training takes
	Trained  int    `json:"trained"`
	HeldOut  int    `json:"held_out"`

	// Cookies has the sizes of the cookies of the sessions that were held out,
	// for each scheme without compression, with the built-in dictionary, and
	// with the trained one.
	Cookies []CookieSizes `json:"cookies"`
}

// CookieSizes are the sizes of a number of cookies' values in bytes: of all,
// whether browsers would take them or not.
type CookieSizes struct {
	Scheme      string `json:"scheme"`
	Compression string `json:"compression"`
	TooLarge    int    `json:"too_large"` // cookies that browsers would drop
	Mean        int    `json:"mean"`
	Sizes
}

// The values of [CookieSizes].Compression.
const (
	Uncompressed      = "none"
	BuiltinDictionary = "built-in dictionary"
	TrainedDictionary = "trained dictionary"
)

// MinTraining is the number of different sessions that [Train] needs.
const MinTraining = 20

// ErrTooFewSessions says that there are fewer different sessions than
// [MinTraining].
var ErrTooFewSessions = fmt.Errorf("fewer than %d different sessions, which are too few to train a dictionary on some "+
	"and try it on others", MinTraining)

// ErrNothingInCommon says that no part of a session is in others as well.
var ErrNothingInCommon = errors.New("the sessions have nothing in common that a dictionary could contain")

// What training takes at most. Its time grows with the text; more of it hardly
// makes a better dictionary.
const (
	maxTraining      = 1000 // sessions
	maxTrainingBytes = 512 << 10
)

// Train makes a dictionary of the default size from four fifths of the
// sessions, and tries it on the others. The same sessions in the same order and
// the same seed give the same result. It takes some seconds. The errors, apart
// from the context's, are [ErrTooFewSessions] and [ErrNothingInCommon].
func Train(ctx context.Context, sessions []bench.Session, seed uint64) (*Training, error) {
	t := &Training{Seed: seed, Sessions: len(sessions)}
	texts := distinct(sessions)
	t.Copies = len(sessions) - len(texts)
	if len(texts) < MinTraining {
		return nil, ErrTooFewSessions
	}
	mathrand.New(mathrand.NewPCG(seed, 0)).Shuffle(len(texts),
		func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	total := len(texts)
	texts = affordable(texts)
	t.Unused = total - len(texts)
	t.Trained = len(texts) * 4 / 5
	t.HeldOut = len(texts) - t.Trained

	var err error
	if t.Dictionary, err = signedcookie.TrainDictionary(texts[:t.Trained], signedcookie.TrainOptions{}); err != nil {
		return nil, ErrNothingInCommon // which is all that can be wrong with so many texts and the default options
	}
	t.Bytes = len(t.Dictionary)
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		for _, c := range []struct {
			name string
			opts signedcookie.Options
		}{
			{Uncompressed, signedcookie.Options{Compression: signedcookie.CompressionOff}},
			{BuiltinDictionary, signedcookie.Options{}},
			{TrainedDictionary, signedcookie.Options{Dictionary: t.Dictionary}},
		} {
			c.opts.Scheme = scheme
			sizes, tooLarge, err := cookieSizes(ctx, c.opts, texts[t.Trained:])
			if err != nil {
				return nil, err
			}
			total := 0
			for _, size := range sizes {
				total += size
			}
			t.Cookies = append(t.Cookies, CookieSizes{Scheme: scheme.String(), Compression: c.name, TooLarge: tooLarge,
				Mean: (total + len(sizes)/2) / len(sizes), Sizes: sizesOf(sizes)})
		}
	}
	return t, nil
}

// distinct returns the texts of the sessions, each text once.
func distinct(sessions []bench.Session) [][]byte {
	seen := make(map[string]bool)
	var texts [][]byte
	for _, s := range sessions {
		text := s.JSON()
		if !seen[string(text)] {
			seen[string(text)] = true
			texts = append(texts, text)
		}
	}
	return texts
}

// affordable returns as many of the texts as training takes, and at least
// MinTraining.
func affordable(texts [][]byte) [][]byte {
	size := 0
	for i, text := range texts {
		size += len(text)
		if i >= MinTraining && (i >= maxTraining || size > maxTrainingBytes) {
			return texts[:i]
		}
	}
	return texts
}

// cookieSizes makes a cookie of each text, and returns the sizes of their values,
// whether browsers take them or not.
func cookieSizes(ctx context.Context, opts signedcookie.Options, texts [][]byte) (sizes []int, tooLarge int, err error) {
	opts.MaxDataBytes = 4 << 20 // as long as a session that is read may be
	opts.CacheBytes = -1
	secret := make([]byte, 32)
	rand.Read(secret)
	store, err := signedcookie.New(secret, opts)
	if err != nil {
		return nil, 0, fmt.Errorf("survey: %w", err)
	}
	expires := time.Now().Add(time.Hour)
	for _, text := range texts {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		value, err := store.Save(ctx, "", &session.Record{Data: text, Expires: expires})
		size := len(value)
		if refused, ok := errors.AsType[*session.TooLargeError](err); ok {
			tooLarge++
			size = refused.Size - len(session.DefaultCookieName)
		} else if err != nil {
			return nil, 0, fmt.Errorf("survey: %w", err)
		}
		sizes = append(sizes, size)
	}
	return sizes, tooLarge, nil
}

// WriteFile writes the dictionary to a file, which must not exist: cookies that
// were made with another dictionary of that name could no longer be read. There
// is never half a file of that name. Only its owner can read the file, since the
// dictionary consists of parts of sessions.
func (t *Training) WriteFile(path string) error {
	if err := free(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it was renamed
	_, err = f.Write(t.Dictionary)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = free(path)
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// free returns an error unless nothing has that name.
func free(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func (t *Training) mean(scheme, compression string) int {
	for _, c := range t.Cookies {
		if c.Scheme == scheme && c.Compression == compression {
			return c.Mean
		}
	}
	return 0
}

// Saves returns the share of the cookies' bytes that the trained dictionary
// saves over the built-in one with a scheme, which is negative if it is worse.
func (t *Training) Saves(scheme signedcookie.Scheme) float64 {
	return 1 - float64(t.mean(scheme.String(), TrainedDictionary))/float64(t.mean(scheme.String(), BuiltinDictionary))
}
