package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// checker finds what a schema cannot say.
type checker struct {
	cfg    *Config
	report *report
	places map[path]place
}

func (c *checker) check() {
	if c.cfg.DataDir == "" {
		c.fault(pathOf("data_dir"), "is empty", "write for example ./data")
	}
	c.listeners()
	c.media()
	c.stores()
	c.keys()
	c.logging()
	c.retention()
	c.tokens()
	for _, id := range sortedKeys(c.cfg.Plugins) {
		c.plugin(pathOf("plugins", string(id)), c.cfg.Plugins[id])
	}
	for _, id := range sortedKeys(c.cfg.Clients) {
		c.client(pathOf("clients", string(id)), id)
	}
	c.accountIDs()
}

// fault reports a fault, unless an earlier step found the place faulty.
func (c *checker) fault(p path, detail, suggestion string) {
	if !c.report.touches(p) {
		c.report.fault(nearest(c.places, p), p, detail, suggestion)
	}
}

func (c *checker) listeners() {
	public, admin := c.cfg.Listeners.Public, c.cfg.Listeners.Admin
	c.listener(pathOf("listeners", "public"), public.Address, public.TLS, public.BehindProxy)
	c.listener(pathOf("listeners", "admin"), admin.Address, admin.TLS, admin.BehindProxy)
	c.twoListeners(public.Address, admin.Address)
	at := pathOf("listeners", "public")
	if public.ExternalURL != "" {
		c.httpURL(at.child("external_url"), public.ExternalURL)
	}
	for i, proxy := range public.TrustedProxies {
		if _, err := netip.ParseAddr(proxy); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(proxy); err != nil {
			c.fault(at.child("trusted_proxies").index(i), "is neither an address nor a network", "write for example 10.0.0.7 or 10.0.0.0/8")
		}
	}
}

func (c *checker) listener(p path, address string, files TLS, behindProxy bool) {
	c.keyPair(p.child("tls"), files)
	at := p.child("address")
	host, err := splitAddress(address)
	if err != nil {
		c.fault(at, err.Error(), "write host:port, for example 127.0.0.1:8080")
		return
	}
	plain := !files.Enabled() && !behindProxy
	switch {
	case loopback(host):
	case plain && c.cfg.Demo: // one fault a place, and both of them at once
		c.fault(at, "would serve plain text and the demo beyond loopback",
			"set demo: false and tls, or behind_proxy: true when a proxy in front ends TLS, or listen on 127.0.0.1")
	case plain:
		c.fault(at, "would serve plain text beyond loopback",
			"set tls, or behind_proxy: true when a proxy in front ends TLS, or listen on 127.0.0.1")
	case c.cfg.Demo:
		c.fault(at, "is not on loopback, which demo: true does not allow", "set demo: false, or listen on 127.0.0.1")
	}
}

// twoListeners finds listeners of which one would hold the address of the
// other. The fault is at one that was written, and not at a default.
func (c *checker) twoListeners(public, admin string) {
	if !collide(public, admin) {
		return
	}
	at, other := pathOf("listeners", "admin", "address"), "public"
	if _, written := c.places[at]; !written {
		at, other = pathOf("listeners", "public", "address"), "admin"
	}
	c.fault(at, "is taken by the "+other+" listener", "give each listener a port of its own, for example 8080 and 8081")
}

func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return false // said already
	}
	numberA, errA := strconv.ParseUint(portA, 10, 16)
	numberB, errB := strconv.ParseUint(portB, 10, 16)
	if errA != nil || errB != nil || numberA != numberB || numberA == 0 {
		return false
	}
	ipA, everyA := listensOn(hostA)
	ipB, everyB := listensOn(hostB)
	return everyA || everyB || ipA == ipB && (ipA.IsValid() || hostA == hostB)
}

// listensOn returns the address that a host stands for, if that can be told
// without looking it up, and whether it is every address of this machine.
func listensOn(host string) (ip netip.Addr, every bool) {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, _ = netip.ParseAddr(host)
	ip = ip.Unmap()
	return ip, host == "" || ip.IsUnspecified()
}

// media checks the form of the scanner's address; whether a scanner answers
// there is the doctor's to find out.
func (c *checker) media() {
	if text := c.cfg.Media.Clamd; text != "" && !clamdAddress(text) {
		c.fault(pathOf("media", "clamd"), "is not the address of a clamd", "write tcp://host:port or unix:/path, for example tcp://127.0.0.1:3310")
	}
}

func clamdAddress(text string) bool {
	if socket, ok := strings.CutPrefix(text, "unix:"); ok || strings.HasPrefix(text, "/") {
		return strings.Trim(socket, "/") != ""
	}
	host, err := splitAddress(strings.TrimPrefix(text, "tcp://"))
	return err == nil && !strings.Contains(host, "/")
}

// keyPair loads the certificate, so that a wrong file is found before the
// listener is needed.
func (c *checker) keyPair(p path, files TLS) {
	switch {
	case !files.Enabled():
	case files.CertFile == "":
		c.fault(p.child("cert_file"), "is missing while key_file is set", "set both or none")
	case files.KeyFile == "":
		c.fault(p.child("key_file"), "is missing while cert_file is set", "set both or none")
	default:
		if _, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile); err != nil {
			c.fault(p, "the certificate and key cannot be used: "+err.Error(), "")
		}
	}
}

func splitAddress(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("is not an address")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("has no valid port")
	}
	return host, nil
}

// loopback reports whether only this machine can reach a listener on the host.
// An empty host listens everywhere; a name other than localhost may mean
// anything by the time it is looked up.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (c *checker) httpURL(p path, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.fault(p, "is not an http or https URL", "write for example https://hub.example.com")
		return
	}
	if u.RawQuery != "" || u.Fragment != "" {
		c.fault(p, "has a query or a fragment", "leave out what follows the path")
	}
}

const (
	// maxRetention keeps sums of times within what every store can hold.
	maxRetention = 10 * 365 * day
	// Whoever has a link has the file, so links end soon whatever a
	// configuration says; what they lead to without the hub ends sooner.
	maxLink      = time.Hour
	maxSignedURL = 15 * time.Minute
)

func (c *checker) retention() {
	c.retentionOf(pathOf("retention"), c.cfg.Retention, c.cfg.Retention)
	for _, id := range sortedKeys(c.cfg.Clients) {
		c.retentionOf(pathOf("clients", string(id), "retention"), c.cfg.Clients[id].Retention, c.cfg.RetentionOf(id))
	}
}

// retentionOf checks the classes written at p, and their order as it holds
// once the hub's own classes are below them.
func (c *checker) retentionOf(p path, written, effective Retention) {
	for _, class := range []struct {
		name  string
		value Duration
		most  time.Duration
	}{
		{"messages", written.Messages, maxRetention},
		{"undelivered", written.Undelivered, maxRetention},
		{"dead_letters", written.DeadLetters, maxRetention},
		{"attachments", written.Attachments, maxRetention},
		{"attachment_link", written.AttachmentLink, maxLink},
		{"signed_url", written.SignedURL, maxSignedURL},
		{"dedupe", written.Dedupe, maxRetention},
		{"idempotency", written.Idempotency, maxRetention},
		{"audit", written.Audit, maxRetention},
	} {
		at := p.child(class.name)
		_, set := c.places[at]
		switch {
		case set && class.value == 0:
			c.fault(at, "must be more than 0", "write for example "+exampleOf(class.most))
		case class.value.Std() > class.most:
			c.fault(at, "must not be more than "+Duration(class.most).String()+reasons[class.name], "")
		}
	}
	if written == (Retention{}) {
		return
	}
	c.ordered(p, "signed_url", "attachment_link", effective.SignedURL.Std(), effective.AttachmentLink.Std())
	c.ordered(p, "attachment_link", "attachments", effective.AttachmentLink.Std(), effective.Attachments.Std())
}

// reasons says why a class has a limit of its own.
var reasons = map[string]string{
	"attachment_link": ": whoever has a link can read the file",
	"signed_url":      ": whoever has such a URL can read the file without asking the hub",
}

func exampleOf(most time.Duration) string {
	if most < maxRetention {
		return Duration(maxSignedURL).String()
	}
	return "24h or 7d"
}

func (c *checker) ordered(p path, shorter, longer string, a, b time.Duration) {
	if a <= b || c.report.touches(p.child(longer)) {
		return
	}
	at := p.child(shorter)
	if _, set := c.places[at]; !set {
		at = p.child(longer)
	}
	c.fault(at, fmt.Sprintf("%s (%s) must not be more than %s (%s)", shorter, Duration(a), longer, Duration(b)), "")
}

// minTokenLength is in characters. A chosen token cannot be made slow to
// guess, so it has to be long.
const minTokenLength = 32

func (c *checker) tokens() {
	tokens := c.cfg.Access.BootstrapTokens
	names := sortedKeys(tokens)
	for i, name := range names {
		t, p := tokens[name], pathOf("access", "bootstrap_tokens", name)
		if t.Role == "" {
			c.fault(p.child("role"), "is missing", "a token has one of the roles configurator, operator, privacy, key-admin, auditor, client")
		}
		c.tokenClient(p.child("client"), t)
		switch {
		case t.Token.IsZero():
			c.fault(p.child("token"), "is missing", fmt.Sprintf("write a reference to a string of at least %d characters", minTokenLength))
		case len([]rune(t.Token.Reveal())) < minTokenLength:
			c.fault(p.child("token"), fmt.Sprintf("has fewer than %d characters", minTokenLength), "")
		}
		for _, other := range names[:i] {
			if !t.Token.IsZero() && t.Token.Equal(tokens[other].Token) {
				c.fault(p.child("token"), fmt.Sprintf("is the token of %s as well", other), "give each consumer its own")
			}
		}
	}
}

// tokenClient checks that a token of a client's role names a client, and that
// no other token does.
func (c *checker) tokenClient(p path, t BootstrapToken) {
	bound := t.Role == "client" || t.Role == "agent"
	_, exists := c.cfg.Clients[t.Client]
	switch {
	case bound && t.Client == "":
		c.fault(p, fmt.Sprintf("is missing: role %s belongs to a client", t.Role), "")
	case bound && !exists && !c.report.touches(pathOf("clients", string(t.Client))):
		c.fault(p, "there is no client of this id", meant(string(t.Client), sortedKeys(c.cfg.Clients)))
	case !bound && t.Role != "" && t.Client != "":
		c.fault(p, fmt.Sprintf("role %s belongs to no client", t.Role), "leave client out")
	}
}

func meant[K ~string](word string, known []K) string {
	words := make([]string, 0, len(known))
	for _, k := range known {
		words = append(words, string(k))
	}
	if found := closest(word, words); found != "" {
		return fmt.Sprintf("did you mean `%s`?", found)
	}
	return ""
}

func (c *checker) plugin(p path, plugin Plugin) {
	if !plugin.Enabled {
		return
	}
	if plugin.Path == "" {
		c.fault(p.child("path"), "is missing", "name the program, for example bin/hub-plugin-"+p.last())
	}
	if plugin.SHA256 == "" && !c.report.touches(p.child("sha256")) {
		at := p.child("sha256")
		c.report.warn(nearest(c.places, at), at, "is empty: the program is not checked before it runs", "write the output of sha256sum")
	}
	for i, host := range plugin.Egress {
		if host == "" || strings.ContainsAny(host, "/ ") {
			c.fault(p.child("egress").index(i), "is not a host", "write a host name or host:port, without https://")
		}
	}
}

func (c *checker) client(p path, id model.ClientID) {
	client := c.cfg.Clients[id]
	if client.Region != "" && client.Region != c.cfg.AWS.Region {
		c.fault(p.child("region"), "must equal aws.region: one fleet serves one region", "leave it out")
	}
	c.webhook(p, client)
	for _, accountID := range sortedKeys(client.Accounts) {
		c.account(p.child("accounts", string(accountID)), client.Accounts[accountID])
	}
}

func (c *checker) webhook(p path, client Client) {
	at := p.child("webhook")
	if client.Webhook.URL != "" {
		c.webhookURL(at.child("url"), client.Webhook.URL)
	}
	for i, secret := range client.Webhook.Secrets {
		if secret.IsZero() {
			c.fault(at.child("secrets").index(i), "is empty", "")
		}
	}
	if client.Delivery != DeliveryWebhook {
		return
	}
	if client.Webhook.URL == "" {
		c.fault(at.child("url"), "is missing while delivery is webhook", "set it, or set delivery: feed")
	}
	if len(client.Webhook.Secrets) == 0 {
		c.fault(at.child("secrets"), "is missing while delivery is webhook", "every push is signed: write a reference to a secret")
	}
}

// webhookURL allows a query, which external_url may not have.
func (c *checker) webhookURL(p path, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.fault(p, "is not an http or https URL", "write for example https://acme.example/events")
	}
}

func (c *checker) account(p path, account Account) {
	if account.Plugin == "" {
		c.fault(p.child("plugin"), "is missing", "name the plugin that speaks for this account")
	}
	for _, name := range sortedKeys(account.Secrets) {
		for i, secret := range account.Secrets[name] {
			if secret.IsZero() {
				at := p.child("secrets", name)
				if len(account.Secrets[name]) > 1 {
					at = at.index(i)
				}
				c.fault(at, "is empty", "")
			}
		}
	}
	for i, kind := range account.Attachments.Allow {
		if main, sub, ok := strings.Cut(kind, "/"); !ok || main == "" || sub == "" || main == "*" && sub != "*" {
			c.fault(p.child("attachments", "allow").index(i), "is not a MIME type", "write for example image/png or image/*")
		}
	}
}

// accountIDs finds an account id that two clients use.
func (c *checker) accountIDs() {
	first := map[model.AccountID]path{}
	for _, clientID := range sortedKeys(c.cfg.Clients) {
		for _, id := range sortedKeys(c.cfg.Clients[clientID].Accounts) {
			p := pathOf("clients", string(clientID), "accounts", string(id))
			other, taken := first[id]
			if !taken {
				first[id] = p
				continue
			}
			c.fault(p, fmt.Sprintf("account %s is at two clients: here and at %s (%s)", id, nearest(c.places, other), other.parent().parent()),
				"an account id is unique in a fleet")
		}
	}
}
