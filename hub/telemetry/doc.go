// Package telemetry is what the hub says about itself: metrics and logs. Every
// metric name is spelled in names.go and every log field in fields.go, and
// nowhere else.
//
// Rooms get a *Metrics, never a global; its methods do nothing on nil. Rooms
// log through the hclog.Logger they are given. NewLogger makes the one at the
// root: whatever passes it is redacted by redact.go before it becomes a line.
//
// A contact address, and any provider's id that contains one, is handed to a
// logger as Contact(value) and in no other way. Message text is not handed to
// a logger at all.
package telemetry
