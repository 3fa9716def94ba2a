package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

// ValidateAccountSettings holds the config and secrets of an account against
// the schema its plugin gave: one JSON schema of an object in which the
// properties marked writeOnly are the secrets. The faults name file and line
// and are not the caller's to change. An error means that the schema itself
// cannot be used, which is a fault of the plugin.
func (c *Config) ValidateAccountSettings(client model.ClientID, account model.AccountID, schema []byte) ([]Fault, error) {
	settings, ok := c.Clients[client].Accounts[account]
	if !ok {
		return nil, fmt.Errorf("validate account settings: client %q has no account %q", client, account)
	}
	rules, err := compileRules(schema)
	if err != nil {
		return nil, fmt.Errorf("validate settings of account %s: %w", account, err)
	}
	s := &settingsCheck{
		rules: rules, report: newReport(),
		config:  pathOf("clients", string(client), "accounts", string(account), "config"),
		secrets: pathOf("clients", string(client), "accounts", string(account), "secrets"),
		account: settings,
	}
	if c.origin != nil {
		s.places, s.keys = c.origin.places, c.origin.keys
		for i, name := range c.origin.files {
			s.report.rank[name] = i
		}
	}
	found := rules.check(s.instance(settings))
	slices.SortStableFunc(found, func(a, b finding) int {
		// Unknown keys first: the key that was meant is then not missed.
		return cmp.Compare(bit(b.key), bit(a.key))
	})
	for _, f := range found {
		s.add(f)
	}
	s.report.faults = s.report.sortedFaults()
	return s.report.faults, nil
}

type settingsCheck struct {
	rules           *rules
	report          *report
	places, keys    map[path]place
	config, secrets path
	account         Account
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *settingsCheck) add(f finding) {
	p := s.place(f.path)
	if s.report.touches(p) {
		return
	}
	at, known := s.keys[p]
	if !known || !f.key {
		at = nearest(s.places, p)
	}
	s.report.fault(at, p, f.detail, f.suggestion)
	if f.meant != "" {
		s.report.faulty[s.place(f.path.parent().child(f.meant))] = true
	}
}

// instance is the one object the schema speaks of. What stands on the wrong
// side is reported here and judged no further.
func (s *settingsCheck) instance(settings Account) map[string]any {
	instance := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(settings.Config)) {
		instance[name] = settings.Config[name]
		if s.rules.secret(pathOf(name)) {
			s.misplaced(s.config.child(name), "is a secret", "move it to secrets")
		}
	}
	for _, name := range sortedKeys(settings.Secrets) {
		if _, twice := instance[name]; twice {
			s.misplaced(s.secrets.child(name), "is in config as well", "keep one of them")
			continue
		}
		if s.rules.node(pathOf(name)) != nil && !s.rules.secret(pathOf(name)) {
			s.misplaced(s.secrets.child(name), "is not a secret", "move it to config")
		}
		instance[name] = s.secretValue(name, settings.Secrets[name])
	}
	return instance
}

func (s *settingsCheck) misplaced(p path, detail, suggestion string) {
	s.report.fault(nearest(s.places, p), p, detail, suggestion)
}

// secretValue gives one secret the form the schema wants: the file writes a
// list and a single string alike.
func (s *settingsCheck) secretValue(name string, secrets []Secret) any {
	if len(secrets) == 1 && !slices.Contains(s.rules.types(pathOf(name)), "array") {
		return secrets[0].Reveal()
	}
	list := make([]any, 0, len(secrets))
	for _, secret := range secrets {
		list = append(list, secret.Reveal())
	}
	return list
}

// place says where in the configuration a place of the instance stands; for
// what is missing, where it belongs.
func (s *settingsCheck) place(p path) path {
	if p == "" {
		return s.config
	}
	segments := p.segments()
	_, inConfig := s.account.Config[segments[0]]
	_, inSecrets := s.account.Secrets[segments[0]]
	if !inConfig && (inSecrets || s.rules.secret(p)) {
		return s.secrets.child(segments...)
	}
	return s.config.child(segments...)
}
