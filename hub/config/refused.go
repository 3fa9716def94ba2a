package config

import "fmt"

// notInThisBuild is how every fault words a feature that comes later. To lift
// one, delete its line below.
const notInThisBuild = "not available in this build"

// refusal is a value that has a meaning and no code behind it.
type refusal struct {
	pattern []string // where; * stands for any one segment
	value   string   // empty: whatever is written there
	why     string
	instead string
}

var refusals = []refusal{
	// These come later.
	{[]string{"clients", "*", "delivery"}, DeliveryWebhook, notInThisBuild, "use feed"},
	// These are reserved names: agreed, and not built.
	{[]string{"storage", "dispatch", "driver"}, DriverSQS, reserved, "use embedded"},
	{[]string{"plugins", "*", "isolation"}, "client", reserved, "use shared"},
	{[]string{"plugins", "*", "contain"}, "prefer", reserved, `use "off"`},
	{[]string{"plugins", "*", "contain"}, "require", reserved, `use "off"`},
	{[]string{"access", "bootstrap_tokens", "*", "role"}, "agent", reserved, "use client for an application; its users are the application's own"},
	{[]string{"access", "oidc"}, "", reserved, "leave it out and use tokens"},
}

// reserved is how a fault words a name that is agreed and not built.
const reserved = "reserved and does not exist yet"

// refuse reports every value of the tree that has no code behind it.
func refuse(tree map[string]any, places map[path]place, r *report) {
	walk("", tree, func(p path, value any) {
		for _, refused := range refusals {
			if !p.matches(refused.pattern...) || refused.value != "" && refused.value != value {
				continue
			}
			what := "is"
			if refused.value != "" {
				what = fmt.Sprintf("%s is", refused.value)
			}
			r.fault(nearest(places, p), p, what+" "+refused.why, refused.instead)
		}
	})
}
