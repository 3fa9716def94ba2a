package telemetry

// The fields of log lines that the logger sets itself; hclog's own names, so
// that its readers understand ours.
const (
	fieldTime    = "@timestamp"
	fieldLevel   = "@level"
	fieldModule  = "@module"
	fieldMessage = "@message"
)

// The fields that rooms set.
const (
	FieldAccount      = "account_id"
	FieldAddress      = "address" // what a listener is bound to; never a contact's
	FieldAttempt      = "attempt"
	FieldBytes        = "bytes"
	FieldClient       = "client_id"
	FieldCode         = "code"
	FieldContact      = "contact" // a Contact value
	FieldConversation = "conversation_id"
	FieldCount        = "count"
	FieldDuration     = "duration"
	FieldError        = "error"
	FieldEvent        = "event_id"
	FieldFile         = "file"
	FieldMessage      = "message_id"
	FieldMethod       = "method"
	FieldOutcome      = "outcome"
	FieldPlugin       = "plugin"
	FieldReason       = "reason"
	FieldRequest      = "request_id"
	FieldRoute        = "route"
	FieldState        = "state"
	FieldStatus       = "status"
	FieldTrace        = "traceparent"
	FieldVersion      = "version"
)
