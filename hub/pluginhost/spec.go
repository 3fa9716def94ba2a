package pluginhost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

// Spec is what configuration says of one connector. It is a value: a Spec that
// was handed to the host is never changed.
type Spec struct {
	ID model.PluginID
	// Path of the program. A relative path starts at the hub's working
	// directory.
	Path string
	// SHA256 of the program in hex. Empty: any program at Path is taken.
	SHA256 string
	// Config is what the operator wrote for the connector itself, as a JSON
	// object. Empty means {}.
	Config []byte
	// Egress names hosts, with an optional port, that the connector may reach
	// although they resolve to a private address.
	Egress []string
	// Isolation is "shared" or empty: one process for all clients.
	Isolation string
	// Contain is "off" or empty: the process runs as the hub's own user.
	Contain string
	// Disabled keeps the connector known and its process away.
	Disabled bool
}

const (
	maxConfigBytes = 256 << 10
	maxEgress      = 100
)

// egressHost is a host name or address with an optional port. The connector's
// own guard resolves it; here only what could never be one is refused.
var egressHost = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._*-]{1,253})(:[0-9]{1,5})?$`)

// faults lists everything that is wrong with the spec as it is written. What
// is wrong with the program at Path is found by verify.
func (s *Spec) faults() []model.Fault {
	var faults []model.Fault
	at := func(field, format string, args ...any) {
		faults = append(faults, model.Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	// The id names a directory's log lines and metrics: nothing but the
	// pattern keeps a path or a forged name out of them.
	if !model.ValidConfiguredID(string(s.ID)) {
		at("id", "must match [a-z0-9-]{1,40}")
	}
	if s.Path == "" {
		at("path", "must name the connector's program")
	}
	if s.SHA256 != "" && !sha256Hex.MatchString(s.SHA256) {
		at("sha256", "must be 64 hex digits")
	}
	if len(s.Config) > maxConfigBytes {
		at("config", "must be at most %d bytes of JSON", maxConfigBytes)
	} else if len(s.Config) > 0 && !isJSONObject(s.Config) {
		at("config", "must be a JSON object")
	}
	if len(s.Egress) > maxEgress {
		at("egress", "must name at most %d hosts", maxEgress)
	}
	for i, host := range s.Egress {
		if !egressHost.MatchString(host) {
			at(fmt.Sprintf("egress[%d]", i), "must be a host with an optional port")
		}
	}
	if s.Isolation != "" && s.Isolation != "shared" {
		at("isolation", `must be "shared": a process for each client does not exist yet`)
	}
	if s.Contain != "" && s.Contain != "off" {
		at("contain", `must be "off": containment does not exist yet`)
	}
	return faults
}

// check returns the spec's faults as one error.
func (s *Spec) check() error {
	if faults := s.faults(); len(faults) > 0 {
		return &model.Error{Code: model.Invalid, Op: "check plugin", Faults: faults}
	}
	return nil
}

// equal reports whether a process started from one spec serves the other.
func (s *Spec) equal(o *Spec) bool {
	return s.ID == o.ID && s.Path == o.Path && s.SHA256 == o.SHA256 &&
		bytes.Equal(s.Config, o.Config) && slices.Equal(s.Egress, o.Egress) &&
		s.Disabled == o.Disabled
}

func isJSONObject(b []byte) bool {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(b)
}
