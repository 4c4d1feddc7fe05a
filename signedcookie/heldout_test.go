package signedcookie_test

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sessionengine/internal/testserver"
	"sessionengine/signedcookie"
)

const heldOutDir = "../bench/testdata/corpus/heldout"

// heldOutKinds returns the shapes that the built-in dictionary was not made
// with: see the README of the corpus.
func heldOutKinds(t testing.TB) (kinds []string) {
	t.Helper()
	files, err := os.ReadDir(heldOutDir)
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		kinds = append(kinds, strings.TrimSuffix(file.Name(), ".jsonl"))
	}
	return kinds
}

// publicWords are the words of held-out sessions that the dictionary has because
// they are public facts, and that it would have without those sessions.
var publicWords = strings.Fields(`
	Bearer access_token expires_at expires_in openid refresh_token scope token_type
	_csrf _csrf_token claims customer email picture tenant users
	again created error example false flash https index message street success
	chuyển không đường
`)

// The dictionary has no word of a held-out shape that is not known from
// elsewhere.
func TestTheDictionaryHasNothingOfHeldOutShapes(t *testing.T) {
	notLetter := func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }
	found := make(map[string]bool)
	for _, kind := range heldOutKinds(t) {
		for _, session := range corpus(t, "heldout/"+kind) {
			text, _, ok := signedcookie.Pack(session) // without what is random
			if !ok {
				text = session
			}
			for _, word := range strings.FieldsFunc(string(text), notLetter) {
				if len(word) < 5 || found[word] || !strings.Contains(signedcookie.BuiltinWords, word) {
					continue
				}
				found[word] = true
				if !slices.Contains(publicWords, word) {
					t.Errorf("%s: the dictionary has %q", kind, word)
				}
			}
		}
	}
	for _, word := range publicWords {
		if !found[word] {
			t.Errorf("%q is not in the dictionary and in a session: take it from the list", word)
		}
	}
}

// djangoSizes returns the lengths of the values of the cookies that Django's
// signed_cookies backend makes of the held-out sessions, by kind.
func djangoSizes(t testing.TB) (sizes map[string][]int) {
	t.Helper()
	var input bytes.Buffer
	for _, kind := range heldOutKinds(t) {
		for _, session := range corpus(t, "heldout/"+kind) {
			input.Write(append(session, '\n'))
		}
	}
	for _, d := range testserver.Djangos(t) {
		cmd := d.Command("-W", "ignore", "testdata/django_sizes.py")
		cmd.Stdin = bytes.NewReader(input.Bytes())
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("Django %s: %v", d.Version, err)
		}
		fields := strings.Fields(string(out))
		these := make(map[string][]int)
		for _, kind := range heldOutKinds(t) {
			for range corpus(t, "heldout/"+kind) {
				n, err := strconv.Atoi(fields[0])
				if err != nil {
					t.Fatal(err)
				}
				these[kind] = append(these[kind], n)
				fields = fields[1:]
			}
		}
		if sizes != nil && !reflect.DeepEqual(these, sizes) {
			t.Errorf("Django %s makes cookies of other lengths than other versions", d.Version)
		}
		sizes = these
	}
	return sizes
}

func median(sizes []int) int { return slices.Sorted(slices.Values(sizes))[len(sizes)/2] }

// medianSize returns the median length of the values of the sessions' cookies.
func medianSize(t testing.TB, scheme signedcookie.Scheme, dictionary []byte, sessions [][]byte) int {
	t.Helper()
	store := newStore(t, signedcookie.Options{Scheme: scheme, Dictionary: dictionary})
	var sizes []int
	for _, data := range sessions {
		sizes = append(sizes, len(save(t, store, string(data))))
	}
	return median(sizes)
}

// medianSizes are the medians of a shape's sessions.
type medianSizes struct{ django, signed, sealed int }

// besideDjango measures a held-out shape: all of its sessions with the built-in
// dictionary, or one half with a dictionary that was trained on the other half.
func besideDjango(t testing.TB, kind string, trained bool, django []int) medianSizes {
	t.Helper()
	sessions := corpus(t, "heldout/"+kind)
	var dictionary []byte
	if trained {
		n := len(sessions) / 2
		dictionary = train(t, sessions[:n], signedcookie.TrainOptions{})
		sessions, django = sessions[n:], django[n:]
	}
	return medianSizes{median(django), medianSize(t, signedcookie.Signed, dictionary, sessions),
		medianSize(t, signedcookie.Sealed, dictionary, sessions)}
}

// The cookies of sessions that the dictionary was not made from are smaller than
// Django's, by what the project set itself: sums of the shapes' medians.
func TestCookiesOfHeldOutSessionsAreSmallerThanDjangos(t *testing.T) {
	django := djangoSizes(t)
	measured := results(t, "testdata/heldout.txt")
	for _, tc := range []struct {
		dict           string
		signed, sealed float64 // at most this part of Django's
	}{{"builtin", 0.85, 0.78}, {"trained", 0.62, 0.58}} {
		var sum medianSizes
		for _, kind := range heldOutKinds(t) {
			s := besideDjango(t, kind, tc.dict == "trained", django[kind])
			sum.django += s.django
			sum.signed += s.signed
			sum.sealed += s.sealed
			then := measured[heldOutName(tc.dict, kind)]
			for unit, size := range map[string]int{"django-B": s.django, "signed-B": s.signed, "sealed-B": s.sealed} {
				if float64(size) < 0.98*then[unit] || float64(size) > 1.02*then[unit] {
					t.Errorf("%s, %s: %d %s, and %v when it was measured: run BenchmarkHeldOut anew", kind, tc.dict,
						size, unit, then[unit])
				}
			}
		}
		signed, sealed := float64(sum.signed)/float64(sum.django), float64(sum.sealed)/float64(sum.django)
		t.Logf("%s dictionary: %.3f of Django's signed, %.3f sealed", tc.dict, signed, sealed)
		if signed > tc.signed || sealed > tc.sealed {
			t.Errorf("%s dictionary: %.3f of Django's signed, %.3f sealed, want at most %v and %v", tc.dict, signed,
				sealed, tc.signed, tc.sealed)
		}
	}
}

func heldOutName(dict, kind string) string {
	return fmt.Sprintf("BenchmarkHeldOut/dict=%s/session=%s", dict, kind)
}

// BenchmarkHeldOut measures no time: it prints what the table of MEASUREMENTS.md
// is made of.
func BenchmarkHeldOut(b *testing.B) {
	django := djangoSizes(b)
	for _, dict := range []string{"builtin", "trained"} {
		for _, kind := range heldOutKinds(b) {
			b.Run(fmt.Sprintf("dict=%s/session=%s", dict, kind), func(b *testing.B) {
				s := besideDjango(b, kind, dict == "trained", django[kind])
				b.ReportMetric(0, "ns/op") // not shown
				b.ReportMetric(float64(s.django), "django-B")
				b.ReportMetric(float64(s.signed), "signed-B")
				b.ReportMetric(float64(s.sealed), "sealed-B")
			})
		}
	}
}
