package hub

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/config"
)

// certificate is a key pair that is read again when its files change, so that
// renewing it needs no restart. A pair that does not load keeps the old one in
// use.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]time.Time
	checked time.Time
}

// certificateRecheck is how often the files are looked at.
const certificateRecheck = 10 * time.Second

// serverTLS is TLS 1.2 or newer with forward secrecy and AEAD ciphers alone.
func serverTLS(t config.TLS) (*tls.Config, error) {
	c := &certificate{certFile: t.CertFile, keyFile: t.KeyFile}
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
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.pair, c.stamp = &pair, c.stamps()
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
	if now := time.Now(); now.Sub(c.checked) >= certificateRecheck {
		c.checked = now
		if c.stamps() != c.stamp {
			_ = c.load() // half written, perhaps: the next look tries again
		}
	}
	return c.pair, nil
}
