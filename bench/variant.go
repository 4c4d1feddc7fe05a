package bench

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Visitors have sessions of one shape and one size that differ where real ones
// do: in what is random. Equal sessions would have equal cookies, and an engine
// that remembers the cookies it has seen would do better than it does on a site.

// variant returns the n-th variant of a session. Each has other characters at
// the end of the first text in it that looks random, of the same kinds, so that
// it is as long and compresses as well. A session without such a text gets the
// number n under CountKey instead.
func (s Session) variant(n int) Session {
	entries := slices.Clone(s.Entries)
	s.Entries = entries
	for i, e := range entries {
		from, to := randomRun(e.Value)
		if to == 0 {
			continue
		}
		value := bytes.Clone(e.Value)
		for at := to - 1; at >= from && n > 0; at-- {
			lo, size := classOf(value[at])
			value[at] = lo + byte((int(value[at]-lo)+n)%size)
			n /= size
		}
		entries[i].Value = value
		return s
	}
	s.Entries = append(entries, Entry{CountKey, json.RawMessage(strconv.Itoa(firstCount + n))})
	return s
}

// minRandom is how long a text has to be to look random: hashes and tokens are
// longer, and the last part of a UUID is that long.
const minRandom = 12

// randomRun returns where in a value the first text is that looks random:
// letters and digits, among them two digits at least. It returns zeros if there
// is none.
func randomRun(value []byte) (from, to int) {
	digits := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) {
			if lo, size := classOf(value[i]); size > 1 {
				if lo == '0' {
					digits++
				}
				continue
			}
		}
		if i-from >= minRandom && digits >= 2 {
			return from, i
		}
		from, digits = i+1, 0
	}
	return 0, 0
}

// classOf returns the characters that c can be exchanged for: the first of them
// and their number, which is 1 for what is no letter or digit. Hexadecimal
// digits stay hexadecimal.
func classOf(c byte) (lo byte, size int) {
	switch {
	case '0' <= c && c <= '9':
		return '0', 10
	case 'a' <= c && c <= 'f':
		return 'a', 6
	case 'g' <= c && c <= 'z':
		return 'g', 20
	case 'A' <= c && c <= 'Z':
		return 'A', 26
	}
	return c, 1
}
