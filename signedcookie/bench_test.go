package signedcookie_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/klauspost/compress/flate"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

// corpus returns the sessions of one kind of the benchmark corpus.
func corpus(t testing.TB, kind string) [][]byte {
	t.Helper()
	b, err := os.ReadFile("../bench/testdata/corpus/" + kind + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

func BenchmarkStore(b *testing.B) {
	for _, op := range []string{"save", "load"} {
		for _, scheme := range schemes {
			for _, kind := range []string{"visitor", "login", "cart"} {
				for _, cached := range []bool{false, true} {
					if cached && op == "save" {
						continue
					}
					opts := signedcookie.Options{Scheme: scheme, CacheBytes: -1}
					if cached {
						opts.CacheBytes = 0
					}
					b.Run(fmt.Sprintf("op=%s/scheme=%v/session=%s/cache=%v", op, scheme, kind, cached),
						func(b *testing.B) {
							store := newStore(b, opts)
							rec := &session.Record{Data: corpus(b, kind)[0], Expires: time.Now().Add(time.Hour)}
							token, err := store.Save(b.Context(), "", rec)
							if err != nil {
								b.Fatal(err)
							}
							call := func() {
								if op == "save" {
									_, err = store.Save(b.Context(), token, rec)
								} else {
									_, err = store.Load(b.Context(), token)
								}
								if err != nil {
									b.Fatal(err)
								}
							}
							b.ReportAllocs()
							for b.Loop() {
								call()
							}
							b.ReportMetric(float64(len(token)), "cookie-B")
							b.ReportMetric(float64(fastest(call).Nanoseconds()), "fastest-ns")
						})
				}
			}
		}
	}
}

// BenchmarkLoadFloor compares a cold load with what its parts take by
// themselves: base64 of the standard library, securecookie or the same number of
// blocks of AES, DEFLATE, hexadecimal for what is packed, the clock, and memory for
// the session, with everything else kept and nothing checked.
func BenchmarkLoadFloor(b *testing.B) {
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Sealed} {
		for _, kind := range []string{"login", "cart"} {
			b.Run(fmt.Sprintf("scheme=%v/session=%s", scheme, kind), func(b *testing.B) {
				store := newStore(b, signedcookie.Options{Scheme: scheme, CacheBytes: -1})
				token := save(b, store, string(corpus(b, kind)[0]))
				load := func() {
					if _, err := store.Load(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
				floor := loadFloor(b, store, scheme, token)
				for b.Loop() {
					load()
				}
				loadTime, floorTime := fastest(load), fastest(floor)
				for range 4 {
					loadTime, floorTime = min(loadTime, fastest(load)), min(floorTime, fastest(floor))
				}
				b.ReportMetric(float64(loadTime.Nanoseconds()), "load-ns")
				b.ReportMetric(float64(floorTime.Nanoseconds()), "floor-ns")
				b.ReportMetric(float64(loadTime)/float64(floorTime), "times-floor")
			})
		}
	}
}

func loadFloor(b *testing.B, store *signedcookie.Store, scheme signedcookie.Scheme, token string) func() {
	payload, ok := signedcookie.OpenPayload(store, token)
	if !ok {
		b.Fatal("a cookie of the store's own could not be opened")
	}
	deflated := payload[5:]
	var raw []byte
	if payload[0]&0x02 != 0 { // packed
		size, n := binary.Uvarint(deflated)
		raw, deflated = deflated[n:n+int(size)], deflated[n+int(size):]
	}
	rec, err := store.Load(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	sc := securecookie.New(make([]byte, 32), nil).SetSerializer(securecookie.NopEncoder{})
	text, err := sc.Encode(session.DefaultCookieName, payload)
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	blocks := make([]byte, (len(payload)+15)/16*16)
	mac := cipher.NewCBCEncrypter(block, blocks[:16])
	var src bytes.Reader
	dictionary := []byte(signedcookie.BuiltinWords)
	inflater := flate.NewReaderDict(&src, dictionary)
	value, decoded := []byte(token), make([]byte, len(token))
	inflated := make([]byte, 0, 64<<10)
	var opened []byte
	return func() {
		base64.RawURLEncoding.Decode(decoded, value)
		if scheme == signedcookie.Signed {
			if err := sc.Decode(session.DefaultCookieName, text, &opened); err != nil {
				b.Fatal(err)
			}
		} else {
			cipher.NewCTR(block, blocks[:16]).XORKeyStream(blocks, blocks)
			mac.CryptBlocks(blocks, blocks)
		}
		src.Reset(deflated)
		inflater.(flate.Resetter).Reset(&src, dictionary)
		n, _ := io.ReadFull(inflater, inflated[:cap(inflated)])
		if n == 0 {
			b.Fatal("nothing inflated")
		}
		inflated = hex.AppendEncode(inflated[:n], raw)
		if !time.Now().Before(rec.Expires) {
			b.Fatal("expired")
		}
		sink = append(make([]byte, 0, len(rec.Data)), inflated[:min(len(inflated), len(rec.Data))]...)
	}
}

var sink []byte // so that the compiler does not leave it out

// BenchmarkRequest is a whole request that reads its session, from the Cookie
// header to the values, through the middleware.
func BenchmarkRequest(b *testing.B) {
	for _, scheme := range schemes {
		for _, kind := range []string{"login", "cart"} {
			for _, cached := range []bool{false, true} {
				b.Run(fmt.Sprintf("scheme=%v/session=%s/cache=%v", scheme, kind, cached), func(b *testing.B) {
					read := readRequest(b, scheme, kind, cached)
					b.ReportAllocs()
					for b.Loop() {
						read()
					}
					b.ReportMetric(float64(fastest(read).Nanoseconds()), "fastest-ns")
				})
			}
		}
	}
}

// readRequest returns what serves a request that reads its session.
func readRequest(t testing.TB, scheme signedcookie.Scheme, kind string, cached bool) func() {
	opts := signedcookie.Options{Scheme: scheme, CacheBytes: -1}
	if cached {
		opts.CacheBytes = 0
	}
	store := newStore(t, opts)
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.Load(r); err != nil || s.IsEmpty() {
			t.Fatal("no session", err)
		}
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: session.DefaultCookieName, Value: save(t, store, string(corpus(t, kind)[0]))})
	return func() { handler.ServeHTTP(nobody{}, r) }
}

// nobody is a ResponseWriter whose responses nobody reads.
type nobody struct{}

var noHeader = make(http.Header)

func (nobody) Header() http.Header         { return noHeader }
func (nobody) Write(p []byte) (int, error) { return len(p), nil }
func (nobody) WriteHeader(int)             {}
