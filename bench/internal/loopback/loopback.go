// Package loopback serves a site over TLS on the loopback interface, and visits
// it as a browser does, over a connection of the caller's choice.
package loopback

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// Host is the name that the visitors call the site by.
const Host = "www.example.com"

// A Server serves a site over HTTP/1.1 and HTTP/2, with TLS 1.3.
type Server struct {
	Addr string // as host:port

	server *http.Server
	roots  *x509.CertPool
	done   chan struct{}
}

// Serve serves h until Close is called.
func Serve(h http.Handler) (*Server, error) {
	cert, roots, err := certify(Host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr: listener.Addr().String(),
		server: &http.Server{
			Handler: h,
			TLSConfig: &tls.Config{
				Certificates: []tls.Certificate{cert},
				MinVersion:   tls.VersionTLS13,
				// A ticket would come with the first response, and be taken
				// for a part of it.
				SessionTicketsDisabled: true,
			},
			ErrorLog: log.New(io.Discard, "", 0), // connections that visitors close
		},
		roots: roots,
		done:  make(chan struct{}),
	}
	go func() {
		s.server.ServeTLS(listener, "", "")
		close(s.done)
	}()
	return s, nil
}

// Close closes all connections and waits until the server has ended. It does
// not wait for handlers.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// certify returns a certificate for host, signed by itself.
func certify(host string) (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots, nil
}

// A Visitor is a browser that visits a server over one connection and keeps the
// cookie that it is given. It is not safe for concurrent use.
type Visitor struct {
	transport *http.Transport
	cookie    string
}

// A Dial makes a visitor's connection, as far as TCP goes.
type Dial func(ctx context.Context) (net.Conn, error)

// Visitor returns a visitor who has not sent anything yet, and who speaks
// HTTP/1.1 or HTTP/2.
func (s *Server) Visitor(http1 bool, dial Dial) *Visitor {
	v := &Visitor{transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: Host, MinVersion: tls.VersionTLS13},
		MaxConnsPerHost: 1,
		Protocols:       new(http.Protocols),
		// The visitor asks for what browsers ask for, and decompresses nothing.
		DisableCompression: true,
	}}
	v.transport.Protocols.SetHTTP1(http1)
	v.transport.Protocols.SetHTTP2(!http1)
	return v
}

// Close closes the visitor's connection.
func (v *Visitor) Close() { v.transport.CloseIdleConnections() }

// Cookie is what the visitor sends as the Cookie header, "" without a cookie.
func (v *Visitor) Cookie() string { return v.cookie }

// Get requests a path and returns the response's status and body. It does with
// the response's cookie what a browser does; the site has no other.
func (v *Visitor) Get(ctx context.Context, path string, header http.Header) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+Host+path, nil)
	if err != nil {
		return 0, nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	resp, err := v.transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil, err
	}
	for _, c := range resp.Cookies() {
		v.cookie = ""
		if c.MaxAge >= 0 {
			v.cookie = c.Name + "=" + c.Value
		}
	}
	return resp.StatusCode, body, nil
}
