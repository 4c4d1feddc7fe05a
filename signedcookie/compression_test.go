package signedcookie_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"sessionengine/session"
	"sessionengine/signedcookie"
	"sessionengine/signedcookie/internal/deflate"
)

// BenchmarkCompression is what the choice of the compression rests on: see
// MEASUREMENTS.md, whose figures come from testdata/compression.txt, which is the
// output of
//
//	go test -run '^$' -bench '^BenchmarkCompression$' -benchtime 1x ./signedcookie
//
// session-B is what a session takes, without the expiry and what is around it;
// the mean of all sessions of its kind, or of one half with a dictionary that
// was trained on the other. The times are those of the first one, taken by
// fastest.
func BenchmarkCompression(b *testing.B) {
	for _, kind := range []string{"login", "flashes", "cart", "cart-vi", "oidc", "large-cart"} {
		sessions := corpus(b, kind)
		for _, dict := range []string{"none", "builtin", "trained"} {
			measured := sessions
			var words []byte
			switch dict {
			case "builtin":
				words = []byte(signedcookie.BuiltinWords)
			case "trained":
				n := len(sessions) / 2
				measured = sessions[:n]
				words = train(b, sessions[n:], signedcookie.TrainOptions{})
			}
			for _, packed := range []bool{false, true} {
				texts, raw := make([][]byte, len(measured)), 0
				for i, data := range measured {
					texts[i] = data
					if packed {
						if text, r, ok := signedcookie.Pack(data); ok {
							texts[i] = bytes.Clone(text)
							raw += 1 + len(r)
						}
					}
				}
				for _, m := range compressors(b, words) {
					b.Run(fmt.Sprintf("encoder=%s/dict=%s/packed=%v/session=%s", m.name, dict, packed, kind),
						func(b *testing.B) {
							total := raw
							for _, text := range texts {
								total += min(len(text), len(m.compress(text)))
							}
							out := bytes.Clone(m.compress(texts[0]))
							if got, err := m.decompress(out); err != nil || !bytes.Equal(got, texts[0]) {
								b.Fatalf("%d bytes, %v, want %d bytes", len(got), err, len(texts[0]))
							}
							b.ReportMetric(float64(total)/float64(len(texts)), "session-B")
							report(b, func() { m.compress(texts[0]) }, func() { m.decompress(out) })
						})
				}
			}
			if dict == "none" {
				continue
			}
			// What the package makes of it.
			b.Run(fmt.Sprintf("encoder=store/dict=%s/packed=true/session=%s", dict, kind), func(b *testing.B) {
				opts := signedcookie.Options{Scheme: signedcookie.Sealed, CacheBytes: -1}
				if dict == "trained" {
					opts.Dictionary = words
				}
				store := newStore(b, opts)
				total := 0
				for _, data := range measured {
					payload, _ := signedcookie.OpenPayload(store, save(b, store, string(data)))
					total += len(payload) - 5
				}
				rec := &session.Record{Data: measured[0], Expires: time.Now().Add(time.Hour)}
				token := save(b, store, string(measured[0]))
				b.ReportMetric(float64(total)/float64(len(measured)), "session-B")
				report(b, func() { store.Save(b.Context(), "", rec) }, func() { store.Load(b.Context(), token) })
			})
		}
	}
}

func report(b *testing.B, write, read func()) {
	b.ReportMetric(0, "ns/op") // not shown
	b.ReportMetric(float64(fastest(write).Nanoseconds()), "write-ns")
	b.ReportMetric(float64(fastest(read).Nanoseconds()), "read-ns")
}

// fastest returns the time of one call of f, in the fastest of many rounds of
// calls: what it takes when nothing else is going on, on a machine where that is
// rare. Every round is short enough to fit in between.
func fastest(f func()) time.Duration {
	round := func(n int) time.Duration {
		start := time.Now()
		for range n {
			f()
		}
		return time.Since(start) / time.Duration(n)
	}
	n := 1
	for n < 1000 && round(n)*time.Duration(n) < 50*time.Microsecond {
		n *= 2
	}
	best := round(n)
	for start, rounds := time.Now(), 0; rounds < 3 ||
		rounds < 200 && time.Since(start) < 100*time.Millisecond; rounds++ {
		best = min(best, round(n))
	}
	return best
}

type compressor struct {
	name       string
	compress   func(text []byte) []byte // valid until the next call
	decompress func(b []byte) ([]byte, error)
}

func compressors(b *testing.B, words []byte) (all []compressor) {
	var out bytes.Buffer
	var src bytes.Reader
	inflater := flate.NewReaderDict(&src, words)
	text := make([]byte, 64<<10)
	inflate := func(b []byte) ([]byte, error) {
		src.Reset(b)
		if err := inflater.(flate.Resetter).Reset(&src, words); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(inflater, text)
		if err == io.ErrUnexpectedEOF {
			err = nil
		}
		return text[:n], err
	}
	index := deflate.NewDictionary(words)
	var ours []byte
	all = append(all, compressor{"own", func(text []byte) []byte {
		ours = index.Append(ours[:0], text)
		return ours
	}, inflate})
	all = append(all, compressor{"deflate-stateless", func(text []byte) []byte {
		out.Reset()
		flate.StatelessDeflate(&out, text, true, words)
		return out.Bytes()
	}, inflate})
	for _, level := range []int{1, 5, 6, 9} {
		w, err := flate.NewWriter(io.Discard, level)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, compressor{fmt.Sprintf("deflate-%d", level), func(text []byte) []byte {
			out.Reset()
			w.ResetDict(&out, words)
			w.Write(text)
			w.Close()
			return out.Bytes()
		}, inflate})
	}

	// Frames of Zstandard begin with a header that says nothing new here, so it
	// is not counted: the magic number, sizes, and the id of the dictionary.
	var decoderOptions []zstd.DOption
	if words != nil {
		decoderOptions = append(decoderOptions, zstd.WithDecoderDictRaw(1, words))
	}
	decoder, err := zstd.NewReader(nil, append(decoderOptions, zstd.WithDecoderConcurrency(1))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(decoder.Close)
	var header []byte
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression,
		zstd.SpeedBestCompression} {
		opts := []zstd.EOption{zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithSingleSegment(true), zstd.WithAllLitEntropyCompression(true)}
		if words != nil {
			opts = append(opts, zstd.WithEncoderDictRaw(1, words))
		}
		encoder, err := zstd.NewWriter(nil, opts...)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { encoder.Close() })
		var frame []byte
		all = append(all, compressor{"zstd-" + level.String(), func(text []byte) []byte {
			frame = encoder.EncodeAll(text, frame[:0])
			var h zstd.Header
			if err := h.Decode(frame); err != nil {
				panic(err)
			}
			const blockHeader = 3
			header = append(header[:0], frame[:h.HeaderSize+blockHeader]...)
			return frame[h.HeaderSize+blockHeader:]
		}, func(b []byte) ([]byte, error) {
			return decoder.DecodeAll(append(header[:len(header):len(header)], b...), text[:0])
		}})
	}
	return all
}
