package secrets

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	minBytes    = 32 // of a secret
	minDistinct = 8  // different bytes; 32 random ones have 30, or 14 in hexadecimal
	minPieces   = 20 // that nobody would guess; 32 random bytes have about 31
)

// Weakness returns what is wrong with a secret that was trimmed and is to be at
// least 32 random bytes, as the end of a sentence that begins with the secret,
// or "". It finds what people write instead of random bytes, and quotes nothing.
//
// It cannot find all of it. What counts more is that it refuses nothing random:
// of 32 random bytes in hexadecimal, the worst case, it would refuse fewer than
// one in a million million.
func Weakness(secret []byte) string {
	text := string(secret)
	switch {
	case len(secret) < minBytes:
		return fmt.Sprintf("has %d bytes", len(secret))
	case isText(secret) && strings.ContainsAny(text, "\r\n"):
		return `has several lines (secrets of several lines are for ReadSecrets and ParseSecrets; ` +
			`"openssl" breaks what is longer than 48 bytes)`
	case isText(secret) && isQuoted(text):
		return "has quotes around it, which some readers take away and others do not"
	case isText(secret) && isTemplate(text):
		return "is a template that was not filled in"
	case strings.HasPrefix(text, "django-insecure-"):
		return "was made by Django for development"
	case distinct(secret) < minDistinct:
		return fmt.Sprintf("has too few different bytes: %d", distinct(secret))
	case repeats(secret):
		return "is a shorter text again and again"
	case pieces(secret) < minPieces:
		return "is made of common words, rows of characters and repetitions"
	}
	return ""
}

func isQuoted(s string) bool {
	return s[0] == s[len(s)-1] && strings.IndexByte("\"'`", s[0]) >= 0
}

// isTemplate reports whether s is a variable of a shell, of a template or of a
// manual.
func isTemplate(s string) bool {
	for _, t := range [][2]string{{"${", "}"}, {"$(", ")"}, {"{{", "}}"}, {"<", ">"}} {
		if strings.HasPrefix(s, t[0]) && strings.HasSuffix(s, t[1]) {
			return true
		}
	}
	return false
}

// distinct returns the number of different bytes in b.
func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// repeats reports whether b is its first half, or less, again and again.
func repeats(b []byte) bool {
	for n := 1; n <= len(b)/2; n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

// pieces returns the number of pieces that b consists of: rows of characters,
// words, what was there before, and single bytes for everything else. Letters
// count the same in upper and in lower case.
func pieces(b []byte) int {
	lower := make([]byte, len(b))
	plain := make([]byte, len(b)) // with the letters that look like the digits
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i], plain[i] = c, c
		if at := strings.IndexByte("0134578@$!", c); at >= 0 {
			plain[i] = "oieastbasi"[at]
		}
	}
	n := 0
	for i := 0; i < len(b); n++ {
		i += max(1, series(lower[i:]), onKeyboard(lower[i:]), word(lower[i:]), word(plain[i:]), before(lower, i))
	}
	return n
}

// series returns the length of the series of at least three bytes that b begins
// with, such as aaa, 123 or cba.
func series(b []byte) int {
	if len(b) < 3 {
		return 0
	}
	step := b[1] - b[0]
	if step+1 > 2 { // not -1, 0 or 1
		return 0
	}
	n := 2
	for n < len(b) && b[n]-b[n-1] == step {
		n++
	}
	if n < 3 {
		return 0
	}
	return n
}

var keyboards = []string{
	"`1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",
	"wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "!@#$%^&*()_+",
}

// onKeyboard returns the length of the row of at least four neighbouring keys
// that b begins with, from left to right or from right to left.
func onKeyboard(b []byte) int {
	longest := 0
	for _, row := range keyboards {
		at := strings.IndexByte(row, b[0])
		if at < 0 {
			continue
		}
		for _, step := range []int{1, -1} {
			n := 1
			for i := at + step; i >= 0 && i < len(row) && n < len(b) && b[n] == row[i]; i += step {
				n++
			}
			if n >= 4 {
				longest = max(longest, n)
			}
		}
	}
	return longest
}

// word returns the length of the word that b begins with, and of one separator
// after it.
func word(b []byte) int {
	if len(b) < shortestWord {
		return 0
	}
	for _, w := range words[[shortestWord]byte(b)] {
		n := len(w)
		if n > len(b) || string(b[:n]) != w {
			continue
		}
		if n < len(b) && strings.IndexByte(" -_.,:;/+!?'", b[n]) >= 0 {
			n++
		}
		return n
	}
	return 0
}

// before returns how much of b[i:], if it is at least four bytes, is in b before
// that.
func before(b []byte, i int) int {
	longest := 0
	if i+4 > len(b) {
		return 0
	}
	for j := range i {
		if b[j] != b[i] {
			continue
		}
		n := 0
		for i+n < len(b) && b[j+n] == b[i+n] { // it may reach into what it repeats
			n++
		}
		longest = max(longest, n)
	}
	if longest < 4 {
		return 0
	}
	return longest
}

const shortestWord = 3

// words are the common words by what they begin with, the longest first.
var words = func() map[[shortestWord]byte][]string {
	words := make(map[[shortestWord]byte][]string)
	for w := range strings.FieldsSeq(commonWords) {
		start := [shortestWord]byte([]byte(w))
		words[start] = append(words[start], w)
	}
	for _, w := range words {
		slices.SortFunc(w, func(a, b string) int { return len(b) - len(a) })
	}
	return words
}()

// commonWords are those that placeholders consist of.
const commonWords = `
	admin aes alpha alphanumeric and any anything app application apps are auth authentication
	base64 been before beta bit bits blah bytes byte
	can cat change changed changeit changeme changethis char character characters chars config cookie cookies correct
	create cryptographically
	default delete demo deploy dev develop development django docker dog dont dummy
	edit encrypted encryption env environment example express
	fake fill firefox fix fixme flask foo foobar for from
	gate generate generated generator git golang gorilla guess
	hacker hard has hash have hello here hex hmac horse
	ignore insecure insert int into invalid
	jwt
	keep key keyboard keys
	laravel least length letmein like local localhost login long longer lorem ipsum
	mac make master min minimum must mykey mysecret mypassword
	need needs never new node not nobody notsecret nothing number
	okay one only openssl other own
	pass passphrase passwd password please private prod production project put
	qwerty
	rails rand random randomly real really replace replaced replaceme required
	safe sample sec secret secretkey secrets secure securely security server session sessions set shared should sign signed signing
	site some something somewhere staging store string strong super
	temp temporary test tested testing tests than that the then this thirty token todo tmp two
	unsafe unsecure use used user using
	value variable very
	want web website welcome which will with word words world
	xxx xyz
	you your yours yourself`
