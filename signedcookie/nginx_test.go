package signedcookie_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/internal/testserver"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// startNginx starts nginx before a server, with more directives of its location,
// and returns its URL.
func startNginx(t *testing.T, backend, directives string) (url string) {
	t.Helper()
	program := testserver.Program(t, "nginx", "/usr/sbin/nginx")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; location / { proxy_pass %[3]s; %[4]s } }
}
`, dir, addr, backend, directives)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return "http://" + addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not answer: %s", log)
	return ""
}

// nginx gives a response's header 4 KiB unless it is told otherwise, and a cookie
// near the limit of browsers does not fit into that beside what else there is.
func TestCookieNearTheLimitBehindNginx(t *testing.T) {
	site := func(opts signedcookie.Options) string {
		m, err := session.NewManager(newStore(t, opts),
			session.Options{ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				http.Error(w, "too large", session.ErrorStatus(err))
			}})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				return
			}
			s.Set("note", string(noise(3900, 1)))
			fmt.Fprintln(w, "hello")
		})))
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, tc := range []struct {
		name, directives string
		opts             signedcookie.Options
		want             int
	}{
		{"by default", "", signedcookie.Options{}, http.StatusBadGateway},
		{"with a larger buffer", "proxy_buffer_size 8k;", signedcookie.Options{}, http.StatusOK},
		{"with a smaller limit, the session is refused", "", signedcookie.Options{MaxCookieBytes: 3500},
			http.StatusInternalServerError},
	} {
		resp, err := http.Get(startNginx(t, site(tc.opts), tc.directives))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: %s, want %d", tc.name, resp.Status, tc.want)
		}
	}
}
