package config

import (
	"bytes"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

// Change is one value that two configurations have differently.
type Change struct {
	// Path is the place, such as "clients.acme.delivery".
	Path string `json:"path"`
	// Before and After are the values as JSON; empty where there is none. A
	// secret is redacted, and a value that holds a reference is shown with the
	// reference, so both may be the same text.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Difference is what going from one configuration to another means.
type Difference struct {
	// Changes are all values that differ, in the order of the configuration.
	Changes []Change `json:"changes"`
	// Restart are the changed places that a hub reads only when it starts.
	Restart []string `json:"restart,omitempty"`
	// Plugins are those that start, stop or are replaced. Sorted.
	Plugins []model.PluginID `json:"plugins,omitempty"`
	// Clients are those that come, go or have settings that changed. Sorted.
	Clients []model.ClientID `json:"clients,omitempty"`
	// Accounts are those that come, go or have settings that changed. The
	// other accounts of a plugin that is replaced are not listed. Sorted.
	Accounts []model.AccountID `json:"accounts,omitempty"`
}

// readAtStart are the places that a running hub cannot change, and how one
// configuration takes over what another has there.
var readAtStart = []struct {
	at   path
	keep func(to, from *Config)
}{
	{pathOf("data_dir"), func(to, from *Config) { to.DataDir = from.DataDir }},
	{pathOf("demo"), func(to, from *Config) { to.Demo = from.Demo }},
	{pathOf("listeners"), func(to, from *Config) { to.Listeners = from.Listeners }},
	{pathOf("storage"), func(to, from *Config) { to.Storage = from.Storage }},
	{pathOf("logging", "sink"), func(to, from *Config) { to.Logging.Sink = from.Logging.Sink }},
	{pathOf("logging", "file"), func(to, from *Config) { to.Logging.File = from.Logging.File }},
	{pathOf("logging", "cloudwatch"), func(to, from *Config) { to.Logging.CloudWatch = from.Logging.CloudWatch }},
	{pathOf("aws"), func(to, from *Config) { to.AWS = from.AWS }},
	{pathOf("media"), func(to, from *Config) { to.Media = from.Media }},
}

// KeepStart returns the configuration as a hub has it in force that runs with
// another one: what is read at start alone stays as it is there. So it is shown
// as it is, and goes on to differ from the files until the hub is restarted.
func (c *Config) KeepStart(running *Config) *Config {
	kept := *c
	kept.origin = c.origin.clone()
	for _, root := range readAtStart {
		root.keep(&kept, running)
		if kept.origin != nil {
			kept.origin.take(root.at, running.origin)
		}
	}
	return &kept
}

// Diff compares two configurations. Secrets are compared by digest. An entry
// that only one of them has is one change.
func Diff(before, after *Config) *Difference {
	d := &Difference{Changes: []Change{}}
	old, fresh := before.view(), after.view()
	d.compare(&old, &fresh)
	slices.Sort(d.Plugins)
	slices.Sort(d.Clients)
	slices.Sort(d.Accounts)
	d.Plugins, d.Clients, d.Accounts = slices.Compact(d.Plugins), slices.Compact(d.Clients), slices.Compact(d.Accounts)
	return d
}

// compare adds the changes between two nodes at one place; either may be nil.
func (d *Difference) compare(a, b *view) {
	if a == nil || b == nil || a.leaf != b.leaf {
		d.change(a, b)
		return
	}
	if a.leaf {
		if a.digest != b.digest {
			d.change(a, b)
		}
		return
	}
	old := map[path]*view{}
	for i := range a.fields {
		old[a.fields[i].path] = &a.fields[i]
	}
	for i := range b.fields {
		field := &b.fields[i]
		d.compare(old[field.path], field)
		delete(old, field.path)
	}
	for i := range a.fields { // what is gone comes last
		if field := old[a.fields[i].path]; field != nil {
			d.compare(field, nil)
		}
	}
}

func (d *Difference) change(a, b *view) {
	c := Change{Before: shownText(a), After: shownText(b)}
	for _, v := range []*view{a, b} {
		if v != nil {
			c.Path = v.path.String()
			d.note(*v)
		}
	}
	d.Changes = append(d.Changes, c)
}

// Empty reports whether nothing differs.
func (d *Difference) Empty() bool { return len(d.Changes) == 0 }

// note adds what a change of a node, and of all below it, affects.
func (d *Difference) note(v view) {
	for _, field := range v.fields {
		d.note(field)
	}
	p := v.path
	segments := p.segments()
	switch {
	case segments[0] == "plugins" && len(segments) > 1:
		d.Plugins = append(d.Plugins, model.PluginID(segments[1]))
	case segments[0] == "clients" && len(segments) > 3 && segments[2] == "accounts":
		d.Accounts = append(d.Accounts, model.AccountID(segments[3]))
	case segments[0] == "clients" && len(segments) > 1:
		d.Clients = append(d.Clients, model.ClientID(segments[1]))
	}
	for _, root := range readAtStart {
		if text := p.String(); root.at.contains(p) && !slices.Contains(d.Restart, text) {
			d.Restart = append(d.Restart, text)
		}
	}
}

func shownText(v *view) string {
	if v == nil {
		return ""
	}
	var b bytes.Buffer
	if err := writeJSON(&b, *v); err != nil {
		return redacted
	}
	return b.String()
}
