package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/config"
)

// pair makes a certificate for 127.0.0.1 that signs itself, with its key.
func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	like := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, like, like, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// shared is a log that is read while it is written.
type shared struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// TestTLSListener: old TLS is refused, a renewed certificate is served without
// a restart, and half of one is not.
func TestTLSListener(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	// Every write gets a time of its own, however coarse the disk's are.
	written := time.Now().Add(-time.Hour)
	write := func(file string, text []byte) {
		t.Helper()
		written = written.Add(time.Second)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, written, written); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair(t, 1)
	write(files.CertFile, cert)

	var log shared
	h := &Hub{ready: make(chan struct{}), log: hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: &log})}
	if l, err := openListener(t.Context(), "public", "127.0.0.1:0", newCertificate(files, h.log)); err == nil {
		l.close()
		t.Error("a listener without its key was opened")
	} else if !strings.Contains(err.Error(), "open the public listener: ") || !strings.Contains(err.Error(), files.KeyFile) {
		t.Errorf("a key that is missing: %v", err)
	}
	write(files.KeyFile, key)
	c := newCertificate(files, h.log)
	var ahead atomic.Int64 // of the clock
	c.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	l, err := openListener(t.Context(), "public", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	l.handle(h, mux, nil)
	l.serve()
	t.Cleanup(l.close)

	dial := func(version uint16) (*tls.Conn, error) {
		conf := &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}
		conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", l.net.Addr().String())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn.(*tls.Conn), nil //nolint:forcetypeassert // that is what a tls.Dialer makes
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := dial(version); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("%s: %v, want it refused", tls.VersionName(version), err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if _, err := dial(version); err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url()+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(request)
	if err != nil || resp.StatusCode != http.StatusNoContent || !strings.HasPrefix(l.url(), "https://") {
		t.Fatalf("GET %s: %v, %v", request.URL, resp, err)
	}
	_ = resp.Body.Close()

	served := func(when string, serial int64, warnings int) {
		t.Helper()
		ahead.Add(int64(certificateRecheck))
		conn, err := dial(tls.VersionTLS13)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != serial {
			t.Errorf("%s: certificate %d is served, want %d", when, got, serial)
		}
		if got := strings.Count(log.String(), "[WARN]"); got != warnings {
			t.Errorf("%s: %d warnings, want %d: %s", when, got, warnings, &log)
		}
	}
	served("unchanged", 1, 0)
	newer, newerKey := pair(t, 2)
	write(files.CertFile, newer)
	served("half written", 1, 1)
	served("half written, again", 1, 1)
	if !strings.Contains(log.String(), "the old one stays in use") || !strings.Contains(log.String(), files.CertFile) {
		t.Errorf("the warning: %s", &log)
	}
	write(files.KeyFile, newerKey)
	served("whole", 2, 1)
	if err := os.Remove(files.KeyFile); err != nil {
		t.Fatal(err)
	}
	served("a key that went", 2, 2)
}
