package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// TestListenerTLS needs real key pairs, which golden files had better not hold.
func TestListenerTLS(t *testing.T) {
	dir := t.TempDir()
	writeKeyPair(t, dir+"/a")
	writeKeyPair(t, dir+"/b")
	for name, test := range map[string]struct{ cert, key, fault string }{
		"a pair":            {"a.cert", "a.key", ""},
		"of different keys": {"a.cert", "b.key", "the certificate and key cannot be used"},
		"no such file":      {"a.cert", "c.key", "the certificate and key cannot be used"},
		"no key":            {"a.cert", "", "is missing while cert_file is set"},
		"no certificate":    {"", "a.key", "is missing while key_file is set"},
		"neither":           {"", "", "would serve plain text beyond loopback"},
	} {
		t.Run(name, func(t *testing.T) {
			file := dir + "/" + strings.ReplaceAll(name, " ", "-") + ".yaml"
			in := func(name string) string {
				if name == "" {
					return ""
				}
				return dir + "/" + name
			}
			writeFile(t, file, fmt.Sprintf("listeners: {admin: {address: 0.0.0.0:0, tls: {cert_file: %q, key_file: %q}}}\n", in(test.cert), in(test.key)))
			_, _, err := Load(t.Context(), &Options{Files: []string{file}, Env: noEnvironment})
			if test.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			faults, ok := errors.AsType[*FaultsError](err)
			if !ok || len(faults.Faults) != 1 || !strings.Contains(faults.Faults[0].Detail, test.fault) {
				t.Errorf("got %v, want one fault with %q", err, test.fault)
			}
		})
	}
}

// TestListenerFaultsAtOnce: who mends one is not sent back for the other.
func TestListenerFaultsAtOnce(t *testing.T) {
	file := t.TempDir() + "/hub.yaml"
	writeFile(t, file, "demo: true\nlisteners: {public: {address: 0.0.0.0:0}}\n")
	_, _, err := Load(t.Context(), &Options{Files: []string{file}, Env: noEnvironment})
	faults, ok := errors.AsType[*FaultsError](err)
	if !ok || len(faults.Faults) != 1 || !strings.Contains(faults.Faults[0].Detail, "plain text and the demo") {
		t.Errorf("got %v, want one fault that names both", err)
	}
}

func writeKeyPair(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"hub.example.com"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, name+".cert", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	writeFile(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "localhost": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "hub.example.com": false, "localhost.example.com": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("loopback(%q) = %v", host, got)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"timeout", "address", "behind_proxy", "key", "accounts"}
	for word, want := range map[string]string{
		"timout": "timeout", "addrss": "address", "addresss": "address", "behindproxy": "behind_proxy",
		"kye": "key", "acounts": "accounts", "zzz": "", "": "", "something_else": "",
	} {
		if got := closest(word, known); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestListenersCollide(t *testing.T) {
	for _, test := range []struct {
		public, admin string
		collide       bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"localhost:8080", "127.0.0.1:8080", true},
		{"[::ffff:127.0.0.1]:8080", "127.0.0.1:08080", true},
		{"hub.example:8080", "hub.example:8080", true},
		{"0.0.0.0:8080", "127.0.0.1:8080", true},
		{":8080", "[::1]:8080", true},
		{"127.0.0.1:8080", "127.0.0.1:8081", false},
		{"127.0.0.1:8080", "127.0.0.2:8080", false},
		{"127.0.0.1:8080", "[::1]:8080", false},
		{"hub.example:8080", "admin.example:8080", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1", "127.0.0.1", false},
	} {
		if got := collide(test.public, test.admin); got != test.collide {
			t.Errorf("%s and %s: %t", test.public, test.admin, got)
		}
		if got := collide(test.admin, test.public); got != test.collide {
			t.Errorf("%s and %s: %t", test.admin, test.public, got)
		}
	}
}

func TestClamdAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"tcp://127.0.0.1:3310": true, "tcp://clamav:3310": true, "tcp://[::1]:3310": true, "clamav:3310": true,
		"unix:/run/clamd.ctl": true, "unix:///run/clamd.ctl": true, "/run/clamd.ctl": true,
		"x": false, "tcp://x": false, "tcp://": false, "tcp://x:port": false, "unix:": false, "unix:///": false, "/": false, "http://x:3310": false, "run/clamd:1": false,
	} {
		if got := clamdAddress(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// TestMarkOfUTF8: a file may begin with it, and places in it are counted
// without.
func TestMarkOfUTF8(t *testing.T) {
	file := t.TempDir() + "/hub.yaml"
	writeFile(t, file, "\ufeffdemo: true\n")
	cfg, _, err := Load(t.Context(), &Options{Files: []string{file}, Env: noEnvironment})
	if err != nil || !cfg.Demo {
		t.Errorf("got %v", err)
	}
	writeFile(t, file, "\ufeffdemmo: true\n")
	_, _, err = Load(t.Context(), &Options{Files: []string{file}, Env: noEnvironment})
	faults, ok := errors.AsType[*FaultsError](err)
	if !ok || len(faults.Faults) != 1 || faults.Faults[0].Column != 1 || faults.Faults[0].Path != "demmo" {
		t.Errorf("got %v, want one fault of demmo", err)
	}
}
