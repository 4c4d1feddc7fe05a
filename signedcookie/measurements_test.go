package signedcookie_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sessionengine/signedcookie"
)

var update = flag.Bool("update", false, "write the tables of MEASUREMENTS.md anew from testdata")

// results reads the output of a benchmark: for each name, without the number of
// processors, its figures by unit.
func results(t *testing.T, file string) map[string]map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]float64)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		name := fields[0][:strings.LastIndexByte(fields[0], '-')]
		all[name] = make(map[string]float64)
		for pair := range slices.Chunk(fields[2:], 2) {
			if all[name][pair[1]], err = strconv.ParseFloat(pair[0], 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// The tables of MEASUREMENTS.md say what is in testdata.
func TestMeasurementsAreWhatWasMeasured(t *testing.T) {
	compression := results(t, "testdata/compression.txt")
	store := results(t, "testdata/store.txt")
	get := func(all map[string]map[string]float64, unit, format string, args ...any) float64 {
		name := fmt.Sprintf(format, args...)
		figure, ok := all[name][unit]
		if !ok {
			t.Errorf("no %s of %s", unit, name)
		}
		return figure
	}
	kinds := []string{"login", "flashes", "cart", "cart-vi", "oidc", "large-cart"}
	header := "| " + strings.Join(kinds, " | ") + " |"
	sizes := func(b *strings.Builder, encoder, dict string, packed bool) {
		for _, kind := range kinds {
			fmt.Fprintf(b, " %.0f |", get(compression, "session-B",
				"BenchmarkCompression/encoder=%s/dict=%s/packed=%v/session=%s", encoder, dict, packed, kind))
		}
	}

	var parts strings.Builder
	fmt.Fprintf(&parts, "| dictionary | packed %s\n| --- | --- |%s\n", header, strings.Repeat(" ---: |", len(kinds)))
	for _, dict := range []string{"none", "builtin", "trained"} {
		for _, packed := range []bool{false, true} {
			fmt.Fprintf(&parts, "| %s | %v |", dict, map[bool]string{false: "no", true: "yes"}[packed])
			sizes(&parts, "own", dict, packed)
			parts.WriteString("\n")
		}
	}

	var encoders strings.Builder
	fmt.Fprintf(&encoders, "| encoder %s write login | read | write cart | read |\n| --- |%s\n", header,
		strings.Repeat(" ---: |", len(kinds)+4))
	for _, encoder := range []string{"own", "deflate-stateless", "deflate-1", "deflate-5", "deflate-6", "deflate-9",
		"zstd-fastest", "zstd-default", "zstd-better", "zstd-best"} {
		fmt.Fprintf(&encoders, "| %s |", encoder)
		sizes(&encoders, encoder, "builtin", true)
		for _, kind := range []string{"login", "cart"} {
			for _, unit := range []string{"write-ns", "read-ns"} {
				fmt.Fprintf(&encoders, " %.1f |",
					get(compression, unit, "BenchmarkCompression/encoder=%s/dict=builtin/packed=true/session=%s",
						encoder, kind)/1000)
			}
		}
		encoders.WriteString("\n")
	}

	var used strings.Builder
	fmt.Fprintf(&used, "| dictionary %s\n| --- |%s\n", header, strings.Repeat(" ---: |", len(kinds)))
	for _, dict := range []string{"builtin", "trained"} {
		fmt.Fprintf(&used, "| %s |", dict)
		sizes(&used, "store", dict, true)
		used.WriteString("\n")
	}

	var stores strings.Builder
	stores.WriteString("| session | scheme | cookie | save | load | load again | allocations: save | load | load " +
		"again |\n| --- | --- |" + strings.Repeat(" ---: |", 7) + "\n")
	for _, kind := range []string{"visitor", "login", "cart"} {
		for _, scheme := range schemes {
			name := func(op string, cache bool) string {
				return fmt.Sprintf("BenchmarkStore/op=%s/scheme=%v/session=%s/cache=%v", op, scheme, kind, cache)
			}
			save, load, again := name("save", false), name("load", false), name("load", true)
			fmt.Fprintf(&stores, "| %s | %v | %.0f |", kind, scheme, get(store, "cookie-B", "%s", save))
			for _, op := range []string{save, load, again} {
				fmt.Fprintf(&stores, " %.1f |", get(store, "fastest-ns", "%s", op)/1000)
			}
			for _, op := range []string{save, load, again} {
				fmt.Fprintf(&stores, " %.0f |", get(store, "allocs/op", "%s", op))
			}
			stores.WriteString("\n")
		}
	}

	heldOut := results(t, "testdata/heldout.txt")
	var beside strings.Builder
	beside.WriteString("| session | Django | signed | sealed | of one half: Django | signed, trained | sealed, trained |\n" +
		"| --- |" + strings.Repeat(" ---: |", 6) + "\n")
	var sums [6]float64
	for _, kind := range heldOutKinds(t) {
		fmt.Fprintf(&beside, "| %s |", kind)
		for i := range sums {
			size := get(heldOut, []string{"django-B", "signed-B", "sealed-B"}[i%3], "%s",
				heldOutName([]string{"builtin", "trained"}[i/3], kind))
			sums[i] += size
			fmt.Fprintf(&beside, " %.0f |", size)
		}
		beside.WriteString("\n")
	}
	fmt.Fprintf(&beside, "| sum | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f |\n", sums[0], sums[1], sums[2], sums[3], sums[4],
		sums[5])
	fmt.Fprintf(&beside, "| of Django's | | %.2f | %.2f | | %.2f | %.2f |\n", sums[1]/sums[0], sums[2]/sums[0],
		sums[4]/sums[3], sums[5]/sums[3])

	text, err := os.ReadFile("MEASUREMENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for name, table := range map[string]string{"parts": parts.String(), "encoders": encoders.String(),
		"used": used.String(), "store": stores.String(), "heldout": beside.String()} {
		before, rest, ok := strings.Cut(doc, "<!-- "+name+" -->\n")
		old, after, ok2 := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !ok2 {
			t.Fatalf("MEASUREMENTS.md has no place for the table %q", name)
		}
		if *update {
			doc = before + "<!-- " + name + " -->\n" + table + "<!-- end -->\n" + after
		} else if old != table {
			t.Errorf("the table %q of MEASUREMENTS.md is not what testdata says; go test -run TestMeasurements "+
				"-update writes it anew", name)
		}
	}
	if *update {
		if err := os.WriteFile("MEASUREMENTS.md", []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The sizes in testdata/compression.txt are those of today.
func TestMeasuredSizesAreCurrent(t *testing.T) {
	compression := results(t, "testdata/compression.txt")
	for _, kind := range []string{"login", "cart", "oidc"} {
		store := newStore(t, signedcookie.Options{Scheme: signedcookie.Sealed})
		sessions := corpus(t, kind)
		total := 0
		for _, data := range sessions {
			payload, ok := signedcookie.OpenPayload(store, save(t, store, string(data)))
			if !ok {
				t.Fatal("a cookie of the store's own could not be opened")
			}
			total += len(payload) - 5
		}
		today := float64(total) / float64(len(sessions))
		of := "BenchmarkCompression/encoder=store/dict=builtin/packed=true/session=" + kind
		then := compression[of]["session-B"]
		if today < 0.98*then || today > 1.02*then {
			t.Errorf("%s: %.1f bytes, and %.1f when they were measured: run BenchmarkCompression and BenchmarkStore "+
				"anew", kind, today, then)
		}
	}
}
