package dbsc_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sessionengine/dbsc"
	"sessionengine/internal/testbrowser"
)

// certificate makes a certificate for some hosts, and what Chromium knows its key
// by.
func certificate(t *testing.T, hosts []string) (tls.Certificate, string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: hosts[0]},
		DNSNames:     hosts,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(hash[:])
}

// A real site has a host name of its own for each engine, and another site with
// links to them.
type realSite struct {
	*site
	host string
}

const otherHost = "other.test"

func realSites(t *testing.T, life time.Duration) (sites map[string]*realSite, port, spki string) {
	t.Helper()
	sites = map[string]*realSite{}
	hosts := []string{otherHost}
	all := maps.Clone(engines)
	if _, err := exec.LookPath("redis-server"); err == nil || os.Getenv("SESSIONENGINE_REQUIRE_SERVERS") == "1" {
		all["redis"] = redisStore
	}
	for name, newStore := range all {
		host := name + ".test"
		hosts = append(hosts, host)
		sites[host] = &realSite{newSite(t, newStore(t), dbsc.Options{Life: life, Exclude: []string{"/static"}}), host}
	}
	cert, spki := certificate(t, hosts)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, port, _ := net.SplitHostPort(r.Host)
		switch {
		case host == otherHost:
			fmt.Fprintf(w, `<!DOCTYPE html><title>other</title><a id=a href="https://%s:%s/page">go</a>`,
				r.URL.Query().Get("to"), port)
		case sites[host] != nil && r.URL.Path != "/favicon.ico":
			sites[host].handler.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return sites, port, spki
}

// A tab of a Chromium.
type tab struct {
	t *testing.T
	*testbrowser.Browser
	id, port string
}

func openTab(t *testing.T, port, spki string, features string) *tab {
	t.Helper()
	args := []string{"--disable-quic", "--disable-sync", "--host-resolver-rules=MAP * 127.0.0.1",
		"--ignore-certificate-errors-spki-list=" + spki}
	if features != "" {
		args = append(args, "--enable-features="+features)
	} else {
		args = append(args, "--disable-features=DeviceBoundSessions")
	}
	b := testbrowser.Start(t, args...)
	return &tab{t, b, b.Attach(), port}
}

// body navigates to a page and returns its text.
func (b *tab) body(host, path string) string {
	b.t.Helper()
	b.Navigate(b.id, "https://"+host+":"+b.port+path)
	return b.text()
}

func (b *tab) text() (text string) {
	b.t.Helper()
	b.Evaluate(b.id, "document.body ? document.body.innerText : ''", &text)
	return text
}

func (b *tab) want(host, path, body string) {
	b.t.Helper()
	if got := b.body(host, path); got != body {
		b.t.Errorf("%s%s: %q, want %q", host, path, got, body)
	}
}

// wantBound asks for the page that insists on a bound session until it is there: the
// server has registered a session before the browser has read of it.
func (b *tab) wantBound(host string) {
	b.t.Helper()
	eventually(b.t, host+": the page for bound sessions", func() bool {
		return b.body(host, "/secure") == "for your device only"
	})
}

// steal returns the cookies of a host as a Cookie header.
func (b *tab) steal(host string) string {
	b.t.Helper()
	var reply struct {
		Cookies []struct{ Name, Value string }
	}
	b.Call(b.id, "Network.getCookies",
		testbrowser.Params{"urls": []string{"https://" + host + ":" + b.port + "/"}}, &reply)
	var pairs []string
	for _, c := range reply.Cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// use requests a page with stolen cookies, and no browser.
func use(t *testing.T, host, port, path, cookies string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequest("GET", "https://127.0.0.1:"+port+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host + ":" + port
	r.Header.Set("Cookie", cookies)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("waited 20 seconds for %s", what)
		}
	}
}

// wait waits until an event of a kind has happened since took was called.
func (s *realSite) wait(t *testing.T, kind dbsc.EventKind) {
	t.Helper()
	seen := ""
	eventually(t, s.host+": "+string(kind), func() bool {
		seen += ", " + s.took()
		return strings.Contains(seen, string(kind))
	})
}

// A real browser, with keys in software: its session goes on, and a copy of its
// cookies is dead when the bound one has expired.
func TestChromium(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes half a minute, most of which is waiting")
	}
	const life = 4 * time.Second
	sites, port, spki := realSites(t, life)
	b := openTab(t, port, spki, "DeviceBoundSessions:RefreshQuota/false,"+
		"EnableBoundSessionCredentialsSoftwareKeysForManualTesting")
	stolen := map[string]string{}
	for host, s := range sites {
		b.want(host, "/login?user=ada", "welcome")
		s.wait(t, dbsc.Registered)
		b.wantBound(host)
		stolen[host] = b.steal(host)
		if got := use(t, host, port, "/page", stolen[host]); !strings.HasSuffix(got, `hello "ada"`) {
			t.Errorf("%s: the copy does not work while it is fresh: %s", host, got)
		}
	}
	time.Sleep(life + time.Second)
	for host, s := range sites {
		for _, path := range []string{"/page", "/visit"} {
			if got := use(t, host, port, path, stolen[host]); !strings.HasSuffix(got, `hello ""`) {
				t.Errorf("%s: the copy is alive: %s", host, got)
			}
		}
		s.took()
		b.want(host, "/page", `hello "ada"`)
		s.wait(t, dbsc.Refreshed)
		b.wantBound(host)
	}
	time.Sleep(life + time.Second)
	for host, s := range sites {
		b.body(otherHost, "/?to="+host)
		s.took()
		b.Evaluate(b.id, "document.getElementById('a').click()", nil)
		eventually(t, "the page that the link leads to", func() bool { return b.text() == `hello "ada"` })
		if seen := s.took(); !strings.Contains(seen, string(dbsc.Returned)) || strings.Contains(seen, string(dbsc.Unproven)) {
			t.Errorf("%s: events of a link from another site: %s", host, seen)
		}
	}
	for host, s := range sites {
		s.took()
		b.want(host, "/logout", "goodbye")
		b.want(host, "/page", `hello ""`)
		s.wait(t, dbsc.Ended) // at the icon of the page of the logout, or at the next page
		b.want(host, "/login?user=bob", "welcome")
		s.wait(t, dbsc.Registered)
		b.wantBound(host)
		if strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("%s: %s", host, &s.logs)
		}
	}
}

// A browser without the feature has its session as ever.
func TestChromiumWithoutTheFeature(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("TestChromium is skipped")
	}
	const life = time.Second
	sites, port, spki := realSites(t, life)
	b := openTab(t, port, spki, "")
	for host := range sites {
		b.want(host, "/login?user=ada", "welcome")
	}
	time.Sleep(life + time.Second)
	for host, s := range sites {
		b.want(host, "/page", `hello "ada"`)
		if got := s.took(); got != "offered" {
			t.Errorf("%s: events: %s", host, got)
		}
		b.want(host, "/logout", "goodbye")
		b.want(host, "/page", `hello ""`)
	}
}
