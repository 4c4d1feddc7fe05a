package survey_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"sessionengine/bench"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// dictionariesFile is a table of what dictionaries save. Sizes do not depend on
// the machine.
var update = flag.Bool("update", false, "write bench/results/dictionaries.txt again")

const dictionariesFile = "../results/dictionaries.txt"

// heldOut says which of the sessions of a kind no dictionary is trained on. The
// first one, which the benchmarks measure, is among them.
func heldOut(i int) bool { return i%5 == 0 }

// texts returns the sessions of a kind as JSON, in two parts.
func texts(t *testing.T, kind string) (training, held [][]byte) {
	t.Helper()
	content, err := os.ReadFile("../testdata/corpus/" + kind + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(string(content)) {
		text := []byte(strings.TrimSpace(line))
		if heldOut(i) {
			held = append(held, text)
		} else {
			training = append(training, text)
		}
		i++
	}
	return training, held
}

// cookieValues returns the sizes of the values of the texts' cookies.
func cookieValues(t *testing.T, opts signedcookie.Options, texts [][]byte) []int {
	t.Helper()
	store, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), opts)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, text := range texts {
		value, err := store.Save(t.Context(), "", &session.Record{Data: text, Expires: time.Now().Add(time.Hour)})
		if tooLarge, ok := errors.AsType[*session.TooLargeError](err); ok {
			sizes = append(sizes, tooLarge.Size-len(session.DefaultCookieName))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(value))
	}
	return sizes
}

func mean(sizes []int) int {
	sum := 0
	for _, n := range sizes {
		sum += n
	}
	return (sum + len(sizes)/2) / len(sizes)
}

func trained(t *testing.T, samples [][]byte, maxBytes int) []byte {
	t.Helper()
	dictionary, err := signedcookie.TrainDictionary(samples, signedcookie.TrainOptions{MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	return dictionary
}

// What a dictionary saves on sessions that it has not seen: of its own kind, of
// one among many, and of a kind that it does not know at all. The last one is
// the price of a dictionary that no longer fits the site.
func TestDictionariesOnSessionsTheyHaveNotSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("trains two dozen dictionaries")
	}
	var kinds []string
	all := make(map[string][][]byte) // for the dictionaries of many kinds
	for _, kind := range bench.CorpusShapes() {
		training, _ := texts(t, kind)
		if len(training) < 10 {
			continue // too few for a dictionary of their own
		}
		kinds = append(kinds, kind)
		all[kind] = training[:min(len(training), 8)]
	}
	many := func(without string) []byte {
		var samples [][]byte
		for _, kind := range kinds {
			if kind != without {
				samples = append(samples, all[kind]...)
			}
		}
		return trained(t, samples, signedcookie.MaxDictionaryBytes)
	}
	mixed := many("")

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "session\tJSON\tsigned: built-in\tits own\tmany kinds\tother kinds\tsealed: built-in\tits "+
		"own\tmany kinds\tother kinds\t")
	cart := make(map[signedcookie.Scheme][]int)
	for _, kind := range kinds {
		training, held := texts(t, kind)
		var plain []int
		for _, text := range held {
			plain = append(plain, len(text))
		}
		fmt.Fprintf(w, "%s\t%d\t", kind, mean(plain))
		own, other := trained(t, training, 0), many(kind)
		for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Sealed} {
			builtin := cookieValues(t, signedcookie.Options{Scheme: scheme}, held)
			ofOwn := cookieValues(t, signedcookie.Options{Scheme: scheme, Dictionary: own}, held)
			ofMany := cookieValues(t, signedcookie.Options{Scheme: scheme, Dictionary: mixed}, held)
			ofOther := cookieValues(t, signedcookie.Options{Scheme: scheme, Dictionary: other}, held)
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t", mean(builtin), mean(ofOwn), mean(ofMany), mean(ofOther))
			if kind == "cart" {
				cart[scheme] = ofOwn
			}

			none := mean(cookieValues(t, signedcookie.Options{Scheme: scheme, Compression: signedcookie.CompressionOff},
				held))
			for name, size := range map[string]int{"its own": mean(ofOwn), "many kinds": mean(ofMany),
				"other kinds": mean(ofOther)} {
				if size >= none {
					t.Errorf("%s, %v: %d bytes with a dictionary of %s, and %d uncompressed", kind, scheme, size, name,
						none)
				}
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()

	var out strings.Builder
	fmt.Fprint(&out, `What dictionaries save on sessions that they have not seen: mean bytes of cookie
value, of every fifth session of each kind of the corpus. The other four made the
dictionaries: "its own" is 4 KiB from sessions of the same kind, "many kinds" up
to 8 KiB from eight sessions of each kind, and "other kinds" the same without
the kind itself. Default compression.

`)
	out.WriteString(table.String())
	fmt.Fprintf(&out, "\nThe cart that the benchmarks measure, with the dictionary of other carts: %d bytes signed, "+
		"%d sealed.\n", cart[signedcookie.Signed][0], cart[signedcookie.Sealed][0])
	fmt.Fprintf(&out, "The largest of the %d carts that were held out: %d bytes signed, %d sealed.\n",
		len(cart[signedcookie.Signed]), slices.Max(cart[signedcookie.Signed]), slices.Max(cart[signedcookie.Sealed]))

	for scheme, limit := range map[signedcookie.Scheme]int{signedcookie.Signed: 380, signedcookie.Sealed: 350} {
		if size := slices.Max(cart[scheme]); size > limit {
			t.Errorf("a cart of %d bytes, %v; want %d at most", size, scheme, limit)
		}
	}
	if *update {
		if err := os.WriteFile(dictionariesFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(dictionariesFile)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s is not what comes out; run with -update and look at the difference:\n%s", dictionariesFile,
			out.String())
	}
}
