package signedcookie

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// TrainOptions set up [TrainDictionary]. The zero value is what most sites want.
type TrainOptions struct {
	// MaxBytes bounds the dictionary; 0 means 4 KiB. It cannot exceed
	// [MaxDictionaryBytes]. Long sessions, and sites with many kinds of sessions,
	// profit from more.
	MaxBytes int

	// MinSessions is in how many of the samples a string has to be for the
	// dictionary to contain it; 0 means a hundredth of them, and at least 3.
	MinSessions int
}

const (
	defaultTrainBytes = 4 << 10
	minSamples        = 10
	defaultMinShare   = 100
	defaultMinimum    = 3

	// gramLen is the length of the strings that are counted. DEFLATE refers to
	// strings of 3 bytes and more, which pays from 4 or 5 on.
	gramLen = 5
)

// segmentLens are the greatest lengths of the parts that a dictionary is put
// together from. Which is best depends on the sessions, so all are tried.
var segmentLens = []int{16, 24, 32, 48, 64, 96, 128, 256}

// repeatDivisor says what a gram is worth that the dictionary has already: less
// than a rarer one that it does not have, and more than nothing, since a longer
// part around it may be what a session repeats.
const repeatDivisor = 16

// TrainDictionary makes a dictionary for [Options.Dictionary] from samples of
// a site's serialized sessions ([session.Record.Data]): a few hundred of all
// kinds are enough, and 10 the least. The same samples in the same order give
// the same dictionary.
//
// A dictionary contains parts of the samples. Each 5 characters in a row that
// come from one sample are in at least [TrainOptions.MinSessions] of them, so
// that what only one visitor has is left out if no visitor is in more samples
// than that. Treat it as confidential as the least confidential thing that many
// sessions share.
func TrainDictionary(samples [][]byte, opts TrainOptions) ([]byte, error) {
	size := cmp.Or(opts.MaxBytes, defaultTrainBytes)
	if size < 0 || size > MaxDictionaryBytes {
		return nil, fmt.Errorf("signedcookie: TrainOptions.MaxBytes is %d; it can be up to %d", size,
			MaxDictionaryBytes)
	}
	if opts.MinSessions < 0 {
		return nil, fmt.Errorf("signedcookie: TrainOptions.MinSessions is negative: %d", opts.MinSessions)
	}
	if len(samples) < minSamples {
		return nil, fmt.Errorf("signedcookie: %d sessions are too few to train a dictionary; use at least %d, better "+
			"some hundreds", len(samples), minSamples)
	}
	minSessions := cmp.Or(opts.MinSessions, max(defaultMinimum, len(samples)/defaultMinShare))

	texts := make([][]byte, len(samples))
	var p packer
	for i, sample := range samples {
		texts[i] = sample
		if p.pack(sample) {
			texts[i] = bytes.Clone(p.text)
		}
	}

	// Choose the length of segments with dictionaries that are trained on one
	// half of the samples and tried on the other: on what it was trained on, a
	// dictionary of whole sessions looks best.
	var train, try [][]byte
	for i, text := range texts {
		if i%2 == 0 {
			train = append(train, text)
		} else {
			try = append(try, text)
		}
	}
	half := newTrainer(train, max(1, minSessions/2))
	best, bestSize := 0, 0
	for _, n := range segmentLens {
		if total := deflatedSize(try, half.dictionary(n, size)); best == 0 || total < bestSize {
			best, bestSize = n, total
		}
	}
	words := newTrainer(texts, minSessions).dictionary(best, size)
	if len(words) == 0 {
		return nil, errors.New("signedcookie: the sessions have nothing in common that a dictionary could contain")
	}
	return words, nil
}

// deflatedSize returns the bytes that texts take with a dictionary.
func deflatedSize(texts [][]byte, words []byte) int {
	d := indexed(words)
	var out buffer
	total := 0
	for _, text := range texts {
		out = out[:0]
		d.deflate(&out, text)
		total += min(len(out), len(text))
	}
	return total
}

// A trainer knows the grams of texts: all strings of gramLen bytes that are in
// at least a number of texts.
type trainer struct {
	texts [][]byte
	grams [][]int // for each position of each text the gram there, or -1
	count []int   // for each gram, the number of texts that it is in
}

func newTrainer(texts [][]byte, minTexts int) *trainer {
	type gram [gramLen]byte
	type occurrence struct{ texts, last int }
	seen := make(map[gram]*occurrence)
	for i, text := range texts {
		for j := range max(0, len(text)-gramLen+1) {
			o := seen[gram(text[j:])]
			if o == nil {
				o = &occurrence{last: -1}
				seen[gram(text[j:])] = o
			}
			if o.last != i {
				o.last = i
				o.texts++
			}
		}
	}
	t := &trainer{texts: texts, grams: make([][]int, len(texts))}
	numbers := make(map[gram]int)
	for i, text := range texts {
		t.grams[i] = make([]int, max(0, len(text)-gramLen+1))
		for j := range t.grams[i] {
			g := gram(text[j:])
			n, ok := numbers[g]
			if !ok {
				n = -1
				if seen[g].texts >= minTexts {
					n = len(t.count)
					t.count = append(t.count, seen[g].texts)
				}
				numbers[g] = n
			}
			t.grams[i][j] = n
		}
	}
	return t
}

// dictionary puts a dictionary of at most size bytes together, from parts of the
// texts that have at most segmentLen bytes and contain no gram that is not
// counted. It takes the part whose grams are in most texts, then the best one
// of those that remain once these grams are worth little, and so on.
func (t *trainer) dictionary(segmentLen, size int) []byte {
	value := slices.Clone(t.count)
	var segments [][]byte
	for size >= gramLen {
		segment, grams := t.best(value, min(segmentLen, size))
		if segment == nil {
			break
		}
		for _, g := range grams {
			value[g] /= repeatDivisor
		}
		segments = append(segments, segment)
		size -= len(segment)
	}
	// DEFLATE refers to what is near in fewer bits.
	slices.Reverse(segments)
	return bytes.Join(segments, nil)
}

// best returns the segment of at most n bytes with the greatest value, and its
// grams.
func (t *trainer) best(value []int, n int) (segment []byte, grams []int) {
	bestValue := 0
	inWindow := make([]int, len(value)) // how often each gram is in the window
	for i, all := range t.grams {
		window, from := 0, 0
		leave := func() {
			g := all[from]
			if inWindow[g]--; inWindow[g] == 0 {
				window -= value[g]
			}
			from++
		}
		for j, g := range all {
			if g < 0 {
				for from < j {
					leave()
				}
				from = j + 1
				continue
			}
			if inWindow[g]++; inWindow[g] == 1 {
				window += value[g]
			}
			for j-from+gramLen > n {
				leave()
			}
			// Grams without a value at the ends only take room.
			for from < j && value[all[from]] == 0 {
				leave()
			}
			if window > bestValue && value[g] > 0 {
				bestValue = window
				segment = t.texts[i][from : j+gramLen]
				grams = all[from : j+1]
			}
		}
		for from < len(all) {
			leave()
		}
	}
	return segment, grams
}
