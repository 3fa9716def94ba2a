package hub

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// certificate is a key pair that is read again when its files change, so that
// renewing it needs no restart. A pair that does not load keeps the old one in
// use, and is warned of once.
type certificate struct {
	certFile, keyFile string
	log               hclog.Logger
	now               func() time.Time

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]time.Time // of the pair
	refused [2]time.Time // of files that were warned of
	checked time.Time
}

// certificateRecheck is how often the files are looked at.
const certificateRecheck = 10 * time.Second

// newCertificate is the certificate of a listener; nil when it has none.
func newCertificate(t config.TLS, log hclog.Logger) *certificate {
	if !t.Enabled() {
		return nil
	}
	return &certificate{certFile: t.CertFile, keyFile: t.KeyFile, log: log.Named("tls"), now: time.Now}
}

// serverTLS is TLS 1.2 or newer with forward secrecy and AEAD ciphers alone.
func (c *certificate) serverTLS() (*tls.Config, error) {
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"http/1.1"},
		GetCertificate: c.get,
	}, nil
}

func (c *certificate) load() error {
	stamp := c.stamps() // before the files are read: a change in between is a change
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) stamps() (s [2]time.Time) {
	for i, f := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(f); err == nil {
			s[i] = info.ModTime()
		}
	}
	return s
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.checked) < certificateRecheck {
		return c.pair, nil
	}
	c.checked = now
	stamps := c.stamps()
	if stamps == c.stamp {
		return c.pair, nil
	}
	// Half written, perhaps: the next look tries again.
	if err := c.load(); err != nil && stamps != c.refused {
		c.refused = stamps
		c.log.Warn("a changed certificate does not load; the old one stays in use until the pair is whole", telemetry.FieldFile, c.certFile, telemetry.FieldError, err)
	}
	return c.pair, nil
}
