package network

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

// host is the name that the visitors call the site by.
const host = "www.example.com"

// A server serves a site over HTTP/1.1 and HTTP/2, with TLS 1.3.
type server struct {
	Addr string // as host:port

	server *http.Server
	roots  *x509.CertPool
	done   chan struct{}
}

// serveTLS serves h until Close is called.
func serveTLS(h http.Handler) (*server, error) {
	cert, roots, err := certify(host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{
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
func (s *server) Close() error {
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

// Dial connects to the server through addr, which is the server's own or one
// that leads to it, with the version of HTTP that the visitor is to speak.
func (s *server) Dial(ctx context.Context, addr string, http1 bool) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return s.Handshake(ctx, conn, http1)
}

// Handshake does TLS over a connection to the server, which it closes if that
// fails.
func (s *server) Handshake(ctx context.Context, conn net.Conn, http1 bool) (net.Conn, error) {
	protocol := "h2"
	if http1 {
		protocol = "http/1.1"
	}
	client := tls.Client(conn, &tls.Config{
		RootCAs:    s.roots,
		ServerName: host,
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{protocol},
	})
	if err := client.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return client, nil
}
