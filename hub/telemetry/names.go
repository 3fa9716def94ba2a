package telemetry

// The metrics. Names end in their unit; counters in total.
const (
	buildInfo = "hub_build_info"

	inboundEvents  = "hub_inbound_events_total"
	inboundSeconds = "hub_inbound_commit_seconds"

	outboundAttempts = "hub_outbound_attempts_total"
	outboundSeconds  = "hub_outbound_attempt_seconds"
	lanesActive      = "hub_lanes_active"
	deliveriesHeld   = "hub_deliveries_held"
	deadLetters      = "hub_dead_letters_total"

	feedAppends      = "hub_feed_appends_total"
	feedBatchRecords = "hub_feed_append_records"

	commitSeconds = "hub_table_commit_seconds"
	commits       = "hub_table_commits_total"
	writeUnits    = "hub_table_write_units_total"

	pluginState      = "hub_plugin_state"
	pluginRestarts   = "hub_plugin_restarts_total"
	pluginRPCSeconds = "hub_plugin_rpc_seconds"
	journalRequests  = "hub_journal_requests"
	journalBytes     = "hub_journal_bytes"
	journalEntries   = "hub_journal_entries_total"

	httpRequests = "hub_http_requests_total"
	httpSeconds  = "hub_http_request_seconds"
	sseClients   = "hub_sse_clients"
	chatSockets  = "hub_chat_sockets"

	configReloadOK   = "hub_config_last_reload_successful"
	configReloadTime = "hub_config_last_reload_success_timestamp_seconds"

	keyRequests  = "hub_key_requests_total"
	blobRequests = "hub_blob_requests_total"

	logDropped = "hub_log_records_dropped_total"

	auditCopyRows    = "hub_audit_copy_lag_rows"
	auditCopySeconds = "hub_audit_copy_lag_seconds"

	retentionRemoved  = "hub_retention_removed_total"
	retentionLateness = "hub_retention_lateness_seconds"

	ordersPending = "hub_orders_pending"
	ordersDone    = "hub_orders_done_total"
)

// Names lists every metric of the hub's own.
func Names() []string {
	return []string{
		buildInfo,
		inboundEvents, inboundSeconds,
		outboundAttempts, outboundSeconds, lanesActive, deliveriesHeld, deadLetters,
		feedAppends, feedBatchRecords,
		commitSeconds, commits, writeUnits,
		pluginState, pluginRestarts, pluginRPCSeconds, journalRequests, journalBytes, journalEntries,
		httpRequests, httpSeconds, sseClients, chatSockets,
		configReloadOK, configReloadTime,
		keyRequests, blobRequests,
		logDropped,
		auditCopyRows, auditCopySeconds,
		retentionRemoved, retentionLateness,
		ordersPending, ordersDone,
	}
}

// The labels. Each has few values: the closed sets below, names from the
// configuration, or at most maxValues.
const (
	labelCall    = "call"
	labelChannel = "channel"
	labelClass   = "class"
	labelCode    = "code"
	labelKind    = "kind"
	labelMethod  = "method"
	labelOutcome = "outcome"
	labelPlugin  = "plugin"
	labelResult  = "result"
	labelRoute   = "route"
	labelState   = "state"
	labelRoot    = "root"
	labelVersion = "version"
	labelGo      = "goversion"
)

// InboundResult is what became of an event from a provider or a browser.
type InboundResult string

// The inbound results.
const (
	InboundAccepted  InboundResult = "accepted"
	InboundDuplicate InboundResult = "duplicate" // its first copy is in the feed
	InboundRefused   InboundResult = "refused"
)

// AttemptOutcome is how an attempt to send ended: what the provider said, or
// that the connector or the hub broke.
type AttemptOutcome string

// The attempt outcomes.
const (
	AttemptSent      AttemptOutcome = "sent"
	AttemptRejected  AttemptOutcome = "rejected"
	AttemptThrottled AttemptOutcome = "throttled"
	AttemptRetry     AttemptOutcome = "retry"
	AttemptUnknown   AttemptOutcome = "unknown"
	AttemptFault     AttemptOutcome = "fault"
)

// JournalResult is what happened to a raw request or frame in the journal.
type JournalResult string

// The journal results. What was kept ends as one of the others.
const (
	JournalKept     JournalResult = "kept"
	JournalReplayed JournalResult = "replayed"
	JournalRefused  JournalResult = "refused" // the plugin will never take it
	JournalExpired  JournalResult = "expired" // the plugin stayed away too long
)

// Root is whose rows a write was for.
type Root string

// The roots.
const (
	RootClient Root = "client"
	RootHub    Root = "hub"
)
