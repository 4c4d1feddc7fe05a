package signedcookie_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

const fuzzLimit = 8 << 10 // bytes of a session

func fuzzStores(f *testing.F) (stores []*signedcookie.Store) {
	for _, scheme := range schemes {
		store, err := signedcookie.New(secret(1),
			signedcookie.Options{Scheme: scheme, MaxDataBytes: fuzzLimit, CacheBytes: -1,
				Dictionary: []byte(`{"team":"red"}`)})
		if err != nil {
			f.Fatal(err)
		}
		stores = append(stores, store)
	}
	return stores
}

func vectors(f *testing.F) (all []vector) {
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		v, err := readVector(file)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// Whatever a client sends, it is no session: the secret is not that of the
// seeds, so that nothing the fuzzer finds can be one.
func FuzzForgery(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.value)
	}
	stores := fuzzStores(f)
	f.Fuzz(func(t *testing.T, token string) {
		for _, store := range stores {
			if rec, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("%v: Load of a token that was never issued gave %v, %v", store, rec, err)
			}
		}
	})
}

// Any change of a token makes it worthless: other bytes, or another spelling of
// the same bytes.
func FuzzMalleability(f *testing.F) {
	stores := fuzzStores(f)
	f.Add([]byte(`{"user_id":20}`), uint16(3), uint16(1), []byte("A"))
	f.Add([]byte(`{"user_id":20}`), uint16(9), uint16(0), []byte("\n"))
	f.Add([]byte(`{"user_id":2}`), uint16(65535), uint16(0), []byte("="))
	f.Add([]byte(`{"user_id":2}`), uint16(65534), uint16(1), []byte("B"))
	f.Add([]byte(loginSession), uint16(65535), uint16(4), []byte(""))
	f.Fuzz(func(t *testing.T, data []byte, at, drop uint16, insert []byte) {
		for _, store := range stores {
			token, err := store.Save(t.Context(), "", &session.Record{Data: data, Expires: time.Now().Add(time.Hour)})
			if err != nil {
				if _, ok := errors.AsType[*session.TooLargeError](err); !ok {
					t.Fatalf("%v: Save: %v", store, err)
				}
				continue
			}
			from := int(at) % (len(token) + 1)
			to := min(len(token), from+int(drop))
			changed := token[:from] + string(insert) + token[to:]
			if changed == token {
				continue
			}
			if _, err := store.Load(t.Context(), changed); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("%v: Load of a changed token gave %v", store, err)
			}
		}
	})
}

// What was saved is loaded, by the store and by a reader written from FORMAT.md.
func FuzzRoundTrip(f *testing.F) {
	stores := fuzzStores(f)
	for _, v := range vectors(f) {
		f.Add([]byte(v.session), v.expires)
	}
	f.Add([]byte("\xf8\xfd\xff\x00"), int64(1)<<40)
	f.Add(bytes.Repeat([]byte("0190a6e2-7b1c-7def-8a12-3c4d5e6f7081"), 40), int64(1)<<32)
	f.Fuzz(func(t *testing.T, data []byte, seconds int64) {
		seconds %= 1 << 56 // time.Time has no more
		expires := time.Unix(seconds, 0)
		year9999 := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
		for i, store := range stores {
			token, err := store.Save(t.Context(), "", &session.Record{Data: data, Expires: expires})
			if err != nil {
				if _, ok := errors.AsType[*session.TooLargeError](err); !ok {
					t.Fatalf("%v: Save: %v", store, err)
				}
				continue
			}
			rec, err := store.Load(t.Context(), token)
			if !time.Now().Before(expires) {
				if !errors.Is(err, session.ErrExpired) {
					t.Fatalf("%v: Load of an expired session gave %v", store, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%v: Load: %v", store, err)
			}
			if !bytes.Equal(rec.Data, data) || rec.Expires.Unix() != min(seconds, year9999) {
				t.Fatalf("%v: what was loaded is not what was saved", store)
			}
			second := reader{schemes[i].String(), [][]byte{secret(1)}, "", session.DefaultCookieName,
				builtinDictionary(t),
				[][]byte{[]byte(`{"team":"red"}`)}, fuzzLimit}
			if got, _, err := second.read(token, time.Now().Unix()); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%v: reading it as FORMAT.md says gave %v", store, err)
			}
		}
	})
}

// A payload of any content, validly sealed, gives a session within the limit or
// none, and the same one to the store and to a reader written from FORMAT.md.
func FuzzPayload(f *testing.F) {
	store := fuzzStores(f)[2]
	for _, v := range vectors(f) {
		if v.scheme != "sealed" {
			continue
		}
		made, err := signedcookie.New(v.secrets[0], signedcookie.Options{Scheme: signedcookie.Sealed})
		if err != nil {
			f.Fatal(err)
		}
		if payload, ok := signedcookie.OpenPayload(made, v.value); ok {
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token, err := signedcookie.SealPayload(store, payload)
		if err != nil {
			t.Fatal(err)
		}
		second := reader{"sealed", [][]byte{secret(1)}, "", session.DefaultCookieName, builtinDictionary(t),
			[][]byte{[]byte(`{"team":"red"}`)}, fuzzLimit}
		want, expires, wantErr := second.read(token, time.Now().Unix())
		rec, err := store.Load(t.Context(), token)
		if err != nil {
			if !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("Load gave %v", err)
			}
			if wantErr == nil {
				t.Fatalf("Load gave %v, and as FORMAT.md says it is a session of %d bytes", err, len(want))
			}
			return
		}
		if len(rec.Data) > fuzzLimit {
			t.Fatalf("Load gave a session of %d bytes, and the limit is %d", len(rec.Data), fuzzLimit)
		}
		if wantErr != nil || !bytes.Equal(rec.Data, want) || rec.Expires.Unix() != expires {
			t.Fatalf("Load gave a session of %d bytes, and as FORMAT.md says there are %d bytes, %v", len(rec.Data),
				len(want), wantErr)
		}
	})
}
