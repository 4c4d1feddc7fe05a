package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"

	"github.com/gorilla/securecookie"
	"github.com/klauspost/compress/flate"

	"sessionengine/signedcookie"
)

// cookieEngine is signedcookie as opts set it up, with a secret of its own.
func cookieEngine(name string, opts signedcookie.Options) Engine {
	return Engine{
		Name:  name,
		Cache: signedcookie.DefaultCacheBytes,
		Floor: cookieFloor,
		Open: func(context.Context, string, *Counter) (Site, error) {
			store, err := newCookieStore(opts)
			if err != nil {
				return nil, err
			}
			return NewSite(store, nil)
		},
	}
}

func newCookieStore(opts signedcookie.Options) (*signedcookie.Store, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	return signedcookie.New(secret, opts)
}

// cookieFloor is securecookie and DEFLATE (RFC 1951), and nothing around them:
// no expiry of the session, no dictionary, no limit. Reading decodes a cookie;
// writing does that as well, since a request that changes a session has to read
// it, and encodes one.
func cookieFloor(_ context.Context, _ string, s Session) (*Floor, error) {
	key := make([]byte, 32)
	rand.Read(key)
	sc := securecookie.New(key, nil).MaxLength(0).SetSerializer(securecookie.NopEncoder{})
	f := &cookieFloorCodec{sc: sc, data: s.JSON(), inflater: flate.NewReader(nil)}
	if err := errors.Join(f.encode(), f.read()); err != nil {
		return nil, err
	}
	if !bytes.Equal(f.text.Bytes(), f.data) {
		return nil, errors.New("the floor's cookie holds something else")
	}
	return &Floor{Read: f.read, Write: f.write, Close: func() error { return nil }}, nil
}

type cookieFloorCodec struct {
	sc         *securecookie.SecureCookie
	data       []byte
	cookie     string
	compressed bytes.Buffer
	src        bytes.Reader
	inflater   io.ReadCloser
	text       bytes.Buffer
}

func (f *cookieFloorCodec) write() error {
	if err := f.read(); err != nil {
		return err
	}
	return f.encode()
}

func (f *cookieFloorCodec) encode() (err error) {
	f.compressed.Reset()
	if err := flate.StatelessDeflate(&f.compressed, f.data, true, nil); err != nil {
		return err
	}
	f.cookie, err = f.sc.Encode("sessionid", f.compressed.Bytes())
	return err
}

func (f *cookieFloorCodec) read() error {
	var compressed []byte
	if err := f.sc.Decode("sessionid", f.cookie, &compressed); err != nil {
		return err
	}
	f.src.Reset(compressed)
	if err := f.inflater.(flate.Resetter).Reset(&f.src, nil); err != nil {
		return err
	}
	f.text.Reset()
	_, err := f.text.ReadFrom(f.inflater)
	return err
}
