package config

import "github.com/channelhub/channelhub/hub/model"

// Plugin is one connector program.
type Plugin struct {
	Enabled   bool           `json:"enabled" doc:"A disabled plugin is not started; its accounts wait."`
	Path      string         `json:"path" doc:"The program. Relative to the working directory." jsonschema:"example=bin/hub-plugin-echo"`
	SHA256    string         `json:"sha256" doc:"Digest the program must have, 64 hexadecimal digits. Empty: not checked." jsonschema:"pattern=^([0-9a-fA-F]{64})?$"`
	Config    map[string]any `json:"config" doc:"Settings of the plugin itself. They are handed to it as they are: it describes no schema to hold them against."`
	Egress    []string       `json:"egress" doc:"Hosts the plugin may reach." jsonschema:"example=graph.facebook.com"`
	Isolation string         `json:"isolation" doc:"shared: one process for all accounts. client is reserved." jsonschema:"enum=shared,enum=client"`
	Contain   string         `json:"contain" doc:"Operating system containment of the process. prefer and require are reserved." jsonschema:"enum=off,enum=prefer,enum=require"`
}

// The ways a client gets its events.
const (
	DeliveryFeed    = "feed"
	DeliveryWebhook = "webhook"
)

// Client is one client organisation and the accounts it holds.
type Client struct {
	Name      string                      `json:"name" doc:"Name for people."`
	Region    string                      `json:"region" doc:"Must equal aws.region when set: one fleet serves one region."`
	Delivery  string                      `json:"delivery" doc:"The delivery of record: the client reads the feed, or the hub pushes to its webhook." jsonschema:"enum=feed,enum=webhook"`
	KMSKeyID  string                      `json:"kms_key_id" doc:"Key of this client. Empty: storage.keys.kms.key_id."`
	Retention Retention                   `json:"retention" doc:"Classes that differ from the hub's own."`
	Webhook   Webhook                     `json:"webhook" doc:"Where events are pushed to."`
	Accounts  map[model.AccountID]Account `json:"accounts" doc:"Accounts, keyed by id. An account id is unique in the fleet."`
}

// Webhook is where events of a client are pushed to.
type Webhook struct {
	URL          string   `json:"url" doc:"Address that takes the events." jsonschema:"example=https://acme.example/events"`
	Secrets      []Secret `json:"secrets" doc:"Signing secrets; the first signs, all of them during a rotation. One string or a list."`
	AllowPrivate bool     `json:"allow_private" doc:"The address may lead into a private network."`
}

// What becomes of a delivery whose outcome stays unknown.
const (
	OnUnknownFail  = "fail"
	OnUnknownRetry = "retry"
)

// Account is one identity that a client holds on a channel. Its plugin may be
// absent or disabled: that is a state of the account, not a fault.
type Account struct {
	Plugin         model.PluginID      `json:"plugin" doc:"The plugin that speaks for this account." jsonschema:"pattern=^[a-z0-9-]{1\\,40}$"`
	Enabled        bool                `json:"enabled" doc:"A disabled account neither receives nor sends."`
	Config         map[string]any      `json:"config" doc:"Settings of the account, by the plugin's own schema."`
	Secrets        map[string][]Secret `json:"secrets" doc:"Secrets of the account, by the plugin's own schema. Each is one string or a list."`
	OnUnknownAfter string              `json:"on_unknown_after" doc:"What becomes of a delivery whose outcome stays unknown." jsonschema:"enum=fail,enum=retry"`
	Pace           Pace                `json:"pace" doc:"How fast the hub sends for this account."`
	Attachments    AttachmentRules     `json:"attachments" doc:"Which attachments the account takes."`
}

// Pace limits how fast the hub sends. Zero leaves a limit to the connector.
type Pace struct {
	PerSecond   float64 `json:"per_second" doc:"Sends a second. 0: the connector's own limit." jsonschema:"minimum=0,maximum=100000"`
	Concurrency int     `json:"concurrency" doc:"Sends at the same time. 0: the connector's own limit." jsonschema:"minimum=0,maximum=100000"`
}

// AttachmentRules narrow what the channel allows anyway.
type AttachmentRules struct {
	MaxSize int64    `json:"max_size" doc:"Largest attachment in bytes. 0: the channel's own limit." jsonschema:"minimum=0,maximum=107374182400"`
	Allow   []string `json:"allow" doc:"MIME types that are taken, with * for any subtype. Empty: all the channel takes." jsonschema:"example=image/*"`
}

// RetentionOf returns the retention that holds for a client: its own classes
// over those of the hub. An unknown client has those of the hub.
func (c *Config) RetentionOf(id model.ClientID) Retention {
	return c.Clients[id].Retention.over(c.Retention)
}

func (r Retention) over(base Retention) Retention {
	or := func(own, base Duration) Duration {
		if own != 0 {
			return own
		}
		return base
	}
	return Retention{
		Messages:       or(r.Messages, base.Messages),
		Undelivered:    or(r.Undelivered, base.Undelivered),
		DeadLetters:    or(r.DeadLetters, base.DeadLetters),
		Attachments:    or(r.Attachments, base.Attachments),
		AttachmentLink: or(r.AttachmentLink, base.AttachmentLink),
		SignedURL:      or(r.SignedURL, base.SignedURL),
		Dedupe:         or(r.Dedupe, base.Dedupe),
		Idempotency:    or(r.Idempotency, base.Idempotency),
		Audit:          or(r.Audit, base.Audit),
	}
}

// AccountByID finds an account and the client that holds it.
func (c *Config) AccountByID(id model.AccountID) (model.ClientID, Account, bool) {
	for clientID, client := range c.Clients {
		if account, ok := client.Accounts[id]; ok {
			return clientID, account, true
		}
	}
	return "", Account{}, false
}
