package pluginhost

import (
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/channelhub/channelhub/sdk/proto"
)

// maxHandshake bounds the line a connector prints at its start. The longest
// part is a certificate of about one KiB.
const maxHandshake = 16 << 10

// handshakeError says what is wrong with a connector's first line. It quotes
// nothing of it: the line is the connector's own, and may hold anything.
type handshakeError string

func (f handshakeError) Error() string { return string(f) }

// checkHandshake judges the line before the library sees it, and returns the
// address of the connector's socket. The library takes a line apart with fewer
// questions: it would dial any address, and accept a plugin without TLS.
func checkHandshake(line, dir string) (address string, err error) {
	parts := strings.Split(strings.TrimSpace(line), "|")
	switch {
	case len(parts) < 6:
		return "", handshakeError("its first line is not a plugin handshake; is it a connector?")
	case parts[0] != "1":
		return "", handshakeError("it speaks another version of the plugin handshake; build it with the current SDK")
	case parts[1] != strconv.Itoa(proto.Version):
		return "", handshakeError("it speaks another major version of the contract; this hub speaks " + strconv.Itoa(proto.Version))
	case parts[4] != "grpc":
		return "", handshakeError("it does not speak gRPC")
	}
	if err := checkAddress(parts[2], parts[3], dir); err != nil {
		return "", err
	}
	// Without a certificate of the connector's the library would fall back to
	// the system's authorities, and with a malformed one it reads on.
	der, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return "", handshakeError("its handshake carries no certificate")
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return "", handshakeError("its handshake carries a damaged certificate")
	}
	return parts[3], nil
}

// checkAddress accepts a Unix socket directly inside the process's private
// directory and nothing else: the hub must not be sent to dial another
// service.
func checkAddress(network, address, dir string) error {
	if network != "unix" {
		return handshakeError("it announced an address that is not a Unix socket")
	}
	if address != filepath.Clean(address) || filepath.Dir(address) != dir {
		return handshakeError("it announced a socket outside its private directory")
	}
	// Lstat: a link would lead out again.
	info, err := os.Lstat(address)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return handshakeError("it announced an address that is no socket")
	}
	return nil
}
