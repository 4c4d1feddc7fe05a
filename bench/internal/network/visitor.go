package network

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A visitor is a browser that visits the site over one connection, a request at
// a time, and keeps the cookie that it is given. It is not safe for concurrent
// use, and of no use after an error.
//
// It does all its work in the goroutine that calls it, and nothing between two
// requests, so that what passes the connection during a request belongs to it.
type visitor struct {
	conn    net.Conn
	speaker speaker
	cookie  string // what it sends as the Cookie header, "" without a cookie
}

// A speaker of HTTP sends one request and returns the response.
type speaker interface {
	get(path string, header http.Header) (response, error)
}

type response struct {
	status  int
	cookies []string // the values of the Set-Cookie fields
	body    []byte
}

// newVisitor returns a visitor who speaks HTTP/1.1 or HTTP/2 over conn.
func newVisitor(conn net.Conn, http1 bool) *visitor {
	v := &visitor{conn: conn}
	if http1 {
		v.speaker = newHTTP1(conn)
	} else {
		v.speaker = newHTTP2(conn)
	}
	return v
}

// close closes the visitor's connection.
func (v *visitor) close() error { return v.conn.Close() }

// get requests a path and returns the response's status and body. It does with
// the response's cookie what a browser does; the site has no other.
func (v *visitor) get(ctx context.Context, path string, header http.Header) (status int, body []byte, err error) {
	stop := context.AfterFunc(ctx, func() { v.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if v.cookie != "" {
		header = maps.Clone(header)
		if header == nil {
			header = make(http.Header)
		}
		header.Set("Cookie", v.cookie)
	}
	r, err := v.speaker.get(path, header)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, nil, err
	}
	for _, line := range r.cookies {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			return 0, nil, err
		}
		v.cookie = ""
		if c.MaxAge >= 0 {
			v.cookie = c.Name + "=" + c.Value
		}
	}
	return r.status, r.body, nil
}

// http1Client is a client that speaks HTTP/1.1.
type http1Client struct {
	w *bufio.Writer
	r *bufio.Reader
}

func newHTTP1(conn net.Conn) *http1Client {
	return &http1Client{bufio.NewWriter(conn), bufio.NewReader(conn)}
}

func (c *http1Client) get(path string, header http.Header) (response, error) {
	r, err := http.NewRequest(http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return response{}, err
	}
	r.Header = header
	if err := r.Write(c.w); err != nil {
		return response{}, err
	}
	if err := c.w.Flush(); err != nil {
		return response{}, err
	}
	resp, err := http.ReadResponse(c.r, r)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header["Set-Cookie"], body}, err
}

// http2Client is a client that speaks HTTP/2 as Chrome does: with Chrome's
// settings, and with its choice of the fields that go into the table of header
// compression, which are all but :path (DefaultPolicy in hpack_encoder.cc of
// the QUICHE library). net/http's client would put paths there too. They are
// of no use there, and push cookies out.
type http2Client struct {
	w      *bufio.Writer
	framer *http2.Framer
	block  bytes.Buffer // encoded header fields
	fields *hpack.Encoder

	stream   uint32 // of the last request, 0 before the first
	received uint32 // bytes of bodies that the server has not been told of
}

// Chrome's settings.
const (
	tableSize        = 65536
	streamWindow     = 6291456
	connectionWindow = 15728640
	maxHeaderList    = 262144
)

// defaultWindow is the connection's flow-control window at the beginning
// (RFC 9113, section 6.9.2).
const defaultWindow = 65535

func newHTTP2(conn net.Conn) *http2Client {
	c := &http2Client{w: bufio.NewWriter(conn)}
	c.framer = http2.NewFramer(c.w, bufio.NewReader(conn))
	c.framer.ReadMetaHeaders = hpack.NewDecoder(tableSize, nil)
	c.framer.SetReuseFrames()
	c.fields = hpack.NewEncoder(&c.block)
	return c
}

func (c *http2Client) get(path string, header http.Header) (response, error) {
	if c.stream == 0 {
		if err := c.begin(); err != nil {
			return response{}, err
		}
		c.stream = 1
	} else {
		c.stream += 2
	}
	c.encode(path, header)
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID:      c.stream,
		BlockFragment: c.block.Bytes(),
		EndStream:     true,
		EndHeaders:    true,
	})
	if err != nil {
		return response{}, err
	}
	if err := c.w.Flush(); err != nil {
		return response{}, err
	}
	return c.read()
}

// begin writes what comes before the first request.
func (c *http2Client) begin() error {
	c.w.WriteString(http2.ClientPreface)
	err := c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingHeaderTableSize, Val: tableSize},
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderList},
	)
	if err != nil {
		return err
	}
	return c.framer.WriteWindowUpdate(0, connectionWindow-defaultWindow)
}

// encode puts the request's header fields into c.block.
func (c *http2Client) encode(path string, header http.Header) {
	c.block.Reset()
	// A field that is "sensitive" stays out of the table and takes as many
	// bytes as one that merely is not put there (RFC 7541, section 6.2).
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: http.MethodGet},
		{Name: ":authority", Value: host},
		{Name: ":scheme", Value: "https"},
		{Name: ":path", Value: path, Sensitive: true},
	} {
		c.fields.WriteField(f) // to a buffer, which does not fail
	}
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			c.fields.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: value})
		}
	}
}

// read reads frames until the response is complete.
func (c *http2Client) read() (response, error) {
	var r response
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return response{}, err
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if r.status, err = strconv.Atoi(f.PseudoValue("status")); err != nil {
				return response{}, fmt.Errorf("the response's status: %w", err)
			}
			for _, field := range f.RegularFields() {
				if field.Name == "set-cookie" {
					r.cookies = append(r.cookies, field.Value)
				}
			}
		case *http2.DataFrame:
			r.body = append(r.body, f.Data()...)
			if err := c.acknowledge(f.Length); err != nil {
				return response{}, err
			}
		default:
			if err := c.control(frame); err != nil {
				return response{}, err
			}
			continue
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) { // the same for headers
			return r, nil
		}
	}
}

// acknowledge opens the connection's window again when half of it is used up.
func (c *http2Client) acknowledge(n uint32) error {
	if c.received += n; c.received < connectionWindow/2 {
		return nil
	}
	n, c.received = c.received, 0
	if err := c.framer.WriteWindowUpdate(0, n); err != nil {
		return err
	}
	return c.w.Flush()
}

// control does what a frame asks for that is not part of a response.
func (c *http2Client) control(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
			c.fields.SetMaxDynamicTableSize(size)
		}
		if err := c.framer.WriteSettingsAck(); err != nil {
			return err
		}
		return c.w.Flush()
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		if err := c.framer.WritePing(true, f.Data); err != nil {
			return err
		}
		return c.w.Flush()
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server ended the connection: %v", f.ErrCode)
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset the request: %v", f.ErrCode)
	}
	return nil // what may be ignored (RFC 9113, section 4.1)
}
