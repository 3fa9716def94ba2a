package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/config"
)

// pairOf writes a certificate that signs itself, and its key.
func pairOf(t *testing.T, from, until time.Time) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: []string{"hub.example"},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := config.TLS{CertFile: filepath.Join(t.TempDir(), "cert.pem"), KeyFile: filepath.Join(t.TempDir(), "key.pem")}
	for file, block := range map[string]*pem.Block{
		pair.CertFile: {Type: "CERTIFICATE", Bytes: cert}, pair.KeyFile: {Type: "PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// TestDoctorReadsCertificates shows it certificates that providers refuse, and
// demands a mend in one line for each. One that signs itself is trusted by
// who has it among the authorities.
func TestDoctorReadsCertificates(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		from, until time.Time
		external    string
		spoil       func(config.TLS) error
		trust       bool
		state, mend string
	}{
		"good":          {from: now.Add(-day), until: now.Add(90 * day), external: "https://hub.example", trust: true, state: FoundOK},
		"ends soon":     {from: now.Add(-day), until: now.Add(day), external: "https://hub.example", trust: true, state: FoundWarn, mend: "renew"},
		"expired":       {from: now.Add(-9 * day), until: now.Add(-day), state: FoundFail, mend: "renew"},
		"not yet":       {from: now.Add(day), until: now.Add(90 * day), state: FoundFail, mend: "check the clock"},
		"untrusted":     {from: now.Add(-day), until: now.Add(90 * day), external: "https://hub.example", state: FoundWarn, mend: "public authority"},
		"of other name": {from: now.Add(-day), until: now.Add(90 * day), external: "https://other.example", state: FoundWarn, mend: "of that name"},
		"open key": {
			from: now.Add(-day), until: now.Add(90 * day), state: FoundFail, mend: "chmod o=",
			spoil: func(p config.TLS) error { return os.Chmod(p.KeyFile, 0o644) },
		},
		"damaged": {
			from: now.Add(-day), until: now.Add(90 * day), state: FoundFail, mend: "cert_file",
			spoil: func(p config.TLS) error { return os.WriteFile(p.CertFile, []byte("none"), 0o600) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			pair := pairOf(t, test.from, test.until)
			if test.spoil != nil {
				if err := test.spoil(pair); err != nil {
					t.Fatal(err)
				}
			}
			d := &doctor{cfg: &config.Config{}, now: now, roots: x509.NewCertPool()}
			if pem, err := os.ReadFile(pair.CertFile); err == nil && test.trust {
				d.roots.AppendCertsFromPEM(pem)
			}
			d.listener("listener/public", "0.0.0.0:443", pair, false, test.external)
			if len(d.found) != 1 || d.found[0].State != test.state || !strings.Contains(d.found[0].Mend, test.mend) || strings.Contains(d.found[0].Mend, "\n") {
				t.Errorf("the doctor says %+v, want %s and to %q", d.found, test.state, test.mend)
			}
		})
	}
}

// TestDoctorAsksTheScanner names a clamd that answers, one that is away, and
// something else that listens in its place.
func TestDoctorAsksTheScanner(t *testing.T) {
	listen := func(answer string) net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				asked := make([]byte, len("zPING\x00"))
				if _, err := io.ReadFull(conn, asked); err == nil && string(asked) == "zPING\x00" {
					_, _ = io.WriteString(conn, answer)
				}
				_ = conn.Close()
			}
		}()
		return l
	}
	away := listen("")
	_ = away.Close()
	for name, test := range map[string]struct {
		at    net.Listener
		state string
	}{
		"answers":    {listen("PONG\x00"), FoundOK},
		"away":       {away, FoundFail},
		"silent":     {listen(""), FoundFail},
		"other":      {listen("+PONG\r\n"), FoundFail},
		"not wanted": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Defaults()
			if test.at != nil {
				cfg.Media.Clamd = "tcp://" + test.at.Addr().String()
			}
			d := &doctor{cfg: cfg, now: time.Now()}
			d.clamd(t.Context())
			if test.state == "" {
				if len(d.found) != 0 {
					t.Errorf("the doctor says %+v of a scanner that nobody named", d.found)
				}
				return
			}
			if len(d.found) != 1 || d.found[0].Name != "media/clamd" || d.found[0].State != test.state || (test.state == FoundOK) != (d.found[0].Mend == "") {
				t.Errorf("the doctor says %+v, want %s", d.found, test.state)
			}
		})
	}
}
