package hub

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/channelhub/channelhub/hub/config"
)

const (
	// certificateWarning is how long before its end a certificate is pointed at.
	certificateWarning = 14 * 24 * time.Hour
	// clockSlack is what file times may be ahead of the clock.
	clockSlack = time.Minute
)

// dataDir checks what lies on the machine's own disk.
func (d *doctor) dataDir() {
	d.private("data_dir", d.cfg.DataDir, true)
	if d.cfg.Storage.Keys.Driver == config.DriverLocal {
		d.private("keys/file", d.in("keyring.json"), false)
	}
	if d.cfg.Storage.Table.Driver != config.DriverDynamoDB {
		d.private("keys/contacts", d.in(contactKeys), false)
	}
}

// private checks that nobody but its owner reads or writes a file.
func (d *doctor) private(name, path string, dir bool) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.ok(name, "%s is not there yet; the first start makes it", path)
	case err != nil:
		d.fail(name, "let the hub's user read it", "%s cannot be looked at", path)
	case dir && !info.IsDir():
		d.fail(name, "name a directory", "%s is no directory", path)
	case !dir && !info.Mode().IsRegular():
		d.fail(name, "put the file itself there", "%s is no regular file", path)
	case dir && info.Mode().Perm()&0o022 != 0:
		d.fail(name, "chmod 700 "+path, "others can write to %s: mode %04o", path, info.Mode().Perm())
	case dir && info.Mode().Perm()&0o077 != 0:
		d.warn(name, "chmod 700 "+path, "others can look into %s: mode %04o", path, info.Mode().Perm())
	case info.Mode().Perm()&0o077 != 0:
		d.fail(name, "chmod 600 "+path, "others can read %s: mode %04o", path, info.Mode().Perm())
	default:
		d.ok(name, "%s, mode %04o", path, info.Mode().Perm())
	}
}

// clock compares the clock with the times of files that were written before
// now, which needs no network.
func (d *doctor) clock() {
	paths := []string{d.cfg.DataDir}
	if own, err := os.Executable(); err == nil {
		paths = append(paths, own)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(d.now.Add(clockSlack)) {
			d.fail("clock/local", "set the clock, and keep it by NTP", "%s was written in the future: the clock is behind by %s or more", path, info.ModTime().Sub(d.now).Round(time.Second))
			return
		}
	}
	d.ok("clock/local", "%s", d.now.UTC().Format(time.RFC3339))
}

func (d *doctor) listeners() {
	public, admin := d.cfg.Listeners.Public, d.cfg.Listeners.Admin
	d.listener("listener/public", public.Address, public.TLS, public.BehindProxy, public.ExternalURL)
	if public.BehindProxy && len(public.TrustedProxies) == 0 {
		d.warn("listener/public/proxies", "set listeners.public.trusted_proxies to the proxy's networks", "limits by address see the proxy alone")
	}
	d.externalURL(public)
	d.listener("listener/admin", admin.Address, admin.TLS, admin.BehindProxy, "")
}

func (d *doctor) externalURL(public config.PublicListener) {
	const name = "listener/public/external_url"
	loopback := isLoopback(public.Address)
	switch u, err := url.Parse(public.ExternalURL); {
	case public.ExternalURL == "" && loopback:
		d.ok(name, "none: providers cannot reach a hub on loopback")
	case public.ExternalURL == "":
		d.warn(name, "set listeners.public.external_url to what providers call", "none: links and signatures follow the bound address")
	case err != nil || u.Scheme != "https" && !loopback:
		d.fail(name, "put TLS before it and write https://", "%s is not https", public.ExternalURL)
	default:
		d.ok(name, "%s", public.ExternalURL)
	}
}

// listener checks who ends TLS, and the certificate when the hub does.
func (d *doctor) listener(name, address string, t config.TLS, behindProxy bool, external string) {
	switch {
	case t.Enabled():
		d.certificate(name, t, external)
	case behindProxy:
		d.ok(name, "%s, plain text behind a proxy that ends TLS", address)
	case isLoopback(address):
		d.ok(name, "%s, loopback alone", address)
	default:
		d.fail(name, "set tls: {cert_file, key_file}, or behind_proxy: true", "%s is plain text beyond loopback", address)
	}
}

func (d *doctor) certificate(name string, t config.TLS, external string) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		d.fail(name, "mend tls.cert_file and tls.key_file", "certificate and key cannot be used")
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.fail(name, "mend tls.cert_file", "the certificate cannot be read")
		return
	}
	info, err := os.Stat(t.KeyFile)
	u, _ := url.Parse(external) // a wrong one has a line of its own
	switch ends := leaf.NotAfter; {
	case d.now.After(ends):
		d.fail(name, "renew the certificate", "the certificate ended %s", ends.UTC().Format(time.DateOnly))
	case d.now.Before(leaf.NotBefore):
		d.fail(name, "check the clock and the certificate", "the certificate begins %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	case err == nil && info.Mode().Perm()&0o007 != 0:
		d.fail(name, "chmod o= "+t.KeyFile, "everybody can read the private key: mode %04o", info.Mode().Perm())
	case u != nil && u.Hostname() != "" && leaf.VerifyHostname(u.Hostname()) != nil:
		d.warn(name, "use a certificate of that name, unless a proxy stands before", "the certificate is not for %s", u.Hostname())
	case !d.trusted(pair):
		d.warn(name, "use a certificate of a public authority, with those between in tls.cert_file", "nobody who trusts only what this machine trusts takes the certificate")
	case ends.Sub(d.now) < certificateWarning:
		d.warn(name, "renew the certificate; the hub reads it again within 10 s", "the certificate ends %s", ends.UTC().Format(time.DateOnly))
	default:
		d.ok(name, "%s, certificate until %s", filepath.Base(t.CertFile), ends.UTC().Format(time.DateOnly))
	}
}

// trusted tells whether the chain leads to an authority that this machine
// trusts. One of the operator's own may be meant, so it is no failure.
func (d *doctor) trusted(pair tls.Certificate) bool {
	between := x509.NewCertPool()
	for _, raw := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(c)
		}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return false
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: d.roots, Intermediates: between, CurrentTime: d.now})
	return err == nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
