package hub

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// The states of a Finding.
const (
	FoundOK   = "ok"
	FoundWarn = "warn" // the hub runs; somebody should know
	FoundFail = "fail" // the hub does not run, or not as it promises
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	Name   string `json:"name"` // such as "table/encryption"
	State  string `json:"state"`
	Detail string `json:"detail"`         // what was found, in one line
	Mend   string `json:"mend,omitempty"` // what to do about it, in one line; empty when ok
}

// DoctorOptions may be nil.
type DoctorOptions struct {
	// Patience bounds the look at one part; 15 s when 0.
	Patience time.Duration
	// RecordAWS is told of every call to AWS, as in Options.
	RecordAWS func(awsconfig.Call)
}

// doctor gathers what it finds. Each part is looked at by itself: one that
// cannot be reached hides nothing of the others.
type doctor struct {
	hub      *Hub // only what the drivers need of it
	cfg      *config.Config
	patience time.Duration
	now      time.Time
	roots    *x509.CertPool // authorities that are trusted; nil: the machine's
	found    []Finding
}

// Doctor looks at every part that the configuration names: whether it is
// there, private, encrypted and lets the hub do its work. It changes nothing,
// needs no running hub and disturbs none, and tells no secret. Permissions are
// tried by calls that are cheap and leave nothing behind but one line in a
// stream of the log that is the doctor's own.
func Doctor(ctx context.Context, cfg *config.Config, opts *DoctorOptions) []Finding {
	if opts == nil {
		opts = &DoctorOptions{}
	}
	h := &Hub{opts: Options{Config: cfg, RecordAWS: opts.RecordAWS}, metrics: telemetry.New("doctor")}
	h.config.Store(cfg)
	d := &doctor{hub: h, cfg: cfg, patience: cmp.Or(opts.Patience, 15*time.Second), now: time.Now()}
	d.dataDir()
	d.clock()
	d.listeners()
	d.plugins()
	for _, part := range []func(context.Context){d.aws, d.table, d.keys, d.blobs, d.log, d.clamd} {
		d.within(ctx, part)
	}
	return d.found
}

func (d *doctor) within(ctx context.Context, part func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	part(ctx)
}

func (d *doctor) ok(name, format string, args ...any) {
	d.found = append(d.found, Finding{name, FoundOK, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) warn(name, mend, format string, args ...any) {
	d.found = append(d.found, Finding{name, FoundWarn, fmt.Sprintf(format, args...), mend})
}

func (d *doctor) fail(name, mend, format string, args ...any) {
	d.found = append(d.found, Finding{name, FoundFail, fmt.Sprintf(format, args...), mend})
}

// trouble is a call that did not succeed; action is what the role must allow.
// The errors of the drivers hold no values.
func (d *doctor) trouble(name, action string, err error) {
	d.fail(name, mendOf(action, err), "%v", err)
}

// mendOf is what to do about a call to AWS that did not succeed.
func mendOf(action string, err error) string {
	// To everybody else a root or a table that refuses the hub is an outage.
	if refused(err) {
		return "allow " + action + " in the policy of the role, or mend the credentials; see deploy/aws"
	}
	switch model.CodeOf(err) {
	case model.NotFound:
		return "create it with the template in deploy/aws, or mend its name"
	case model.Unavailable, model.Throttled:
		return "check the network, the VPC endpoint and the credentials, then try again"
	default:
		return "look at the detail; the hub's log says more when it runs"
	}
}

// refused tells whether a denial is anywhere among the causes.
func refused(err error) bool {
	e, ok := errors.AsType[*model.Error](err)
	return ok && (e.Code == model.Denied || refused(e.Err))
}

// plugins checks the programs as every start does. None is started: that is
// what `hub config validate` is for.
func (d *doctor) plugins() {
	for _, id := range slices.Sorted(maps.Keys(d.cfg.Plugins)) {
		name, p := "plugin/"+string(id), d.cfg.Plugins[id]
		if !p.Enabled {
			d.ok(name, "disabled")
			continue
		}
		sum, err := pluginhost.CheckProgram(p.Path, p.SHA256)
		switch {
		case err != nil:
			d.fail(name, "mend plugins."+string(id)+" or the file", "%s", faultsOf(err))
		case p.SHA256 == "":
			d.warn(name, "set plugins."+string(id)+".sha256 to "+sum, "%s is not pinned to a digest", p.Path)
		default:
			d.ok(name, "%s, sha256 %.12s…", p.Path, sum)
		}
	}
}

func faultsOf(err error) string {
	if e, ok := errors.AsType[*model.Error](err); ok && len(e.Faults) > 0 {
		return e.Faults[0].Detail
	}
	return err.Error()
}

func (d *doctor) in(name string) string { return filepath.Join(d.cfg.DataDir, name) }
