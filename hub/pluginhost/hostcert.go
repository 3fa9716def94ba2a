package pluginhost

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/channelhub/channelhub/sdk/proto"
)

// keyMaterial is made for one start of one connector: an authority whose key
// is forgotten at once, and the two sides it vouches for. Holding the client
// half is what makes a connection this connector's.
type keyMaterial struct {
	server    tls.Certificate
	authority *x509.CertPool

	// PEM, for Attach.
	clientCertificate, clientKey, hostAuthority []byte
}

// newKeyMaterial makes the keys of one start. Certificates outlive any
// process; they are worthless once the process and its socket are gone.
func newKeyMaterial(now time.Time) (*keyMaterial, error) {
	authority, authorityKey, err := signCertificate(now, nil, nil, x509.KeyUsageCertSign, nil)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	server, serverKey, err := signCertificate(now, authority, authorityKey, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth})
	if err != nil {
		return nil, fmt.Errorf("make the host's certificate: %w", err)
	}
	client, clientKey, err := signCertificate(now, authority, authorityKey, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth})
	if err != nil {
		return nil, fmt.Errorf("make the connector's certificate: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(clientKey)
	if err != nil {
		return nil, fmt.Errorf("encode the connector's key: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &keyMaterial{
		server:            tls.Certificate{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey, Leaf: server},
		authority:         pool,
		clientCertificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Raw}),
		clientKey:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		hostAuthority:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}),
	}, nil
}

// signCertificate makes a key pair and a certificate for it, signed by the
// parent; without a parent it signs itself and may sign others.
func signCertificate(
	now time.Time, parent *x509.Certificate, parentKey *ecdsa.PrivateKey,
	usage x509.KeyUsage, extended []x509.ExtKeyUsage,
) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "channelhub"},
		DNSNames:     []string{proto.HostName},
		// A clock set back by an hour must not end every connector.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              usage,
		ExtKeyUsage:           extended,
		BasicConstraintsValid: true,
		IsCA:                  parent == nil,
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

// serverTLS demands the client half of the same start.
func (m *keyMaterial) serverTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{m.server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    m.authority,
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
	}
}
