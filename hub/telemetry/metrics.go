package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the hub does, in a registry of its own. Methods are safe
// for concurrent use and do nothing on a nil *Metrics.
type Metrics struct {
	registry *prometheus.Registry

	inboundEvents  *prometheus.CounterVec
	inboundSeconds *prometheus.HistogramVec

	outboundAttempts *prometheus.CounterVec
	outboundSeconds  *prometheus.HistogramVec
	lanesActive      prometheus.Gauge
	deliveriesHeld   prometheus.Gauge
	deadLetters      prometheus.Counter

	feedAppends      prometheus.Counter
	feedBatchRecords prometheus.Histogram

	commitSeconds prometheus.Histogram
	commits       *prometheus.CounterVec
	writeUnits    *prometheus.CounterVec

	pluginState      *prometheus.GaugeVec
	pluginRestarts   *prometheus.CounterVec
	pluginRPCSeconds *prometheus.HistogramVec
	journalRequests  *prometheus.GaugeVec
	journalBytes     *prometheus.GaugeVec
	journalEntries   *prometheus.CounterVec

	httpRequests *prometheus.CounterVec
	httpSeconds  *prometheus.HistogramVec
	sseClients   prometheus.Gauge
	chatSockets  prometheus.Gauge

	configReloadOK   prometheus.Gauge
	configReloadTime prometheus.Gauge

	keyRequests  *prometheus.CounterVec
	blobRequests *prometheus.CounterVec

	logDropped prometheus.Counter

	auditCopyRows    prometheus.Gauge
	auditCopySeconds prometheus.Gauge

	retentionRemoved  *prometheus.CounterVec
	retentionLateness *prometheus.GaugeVec

	ordersPending *prometheus.GaugeVec
	ordersDone    *prometheus.CounterVec

	channels, plugins, routes, methods bounded

	mu     sync.Mutex
	states map[string]string // plugin -> the state that stands at 1
}

// Bounds of the histograms, in seconds: a synced write to a provider's
// time-out, and a write alone.
var (
	callSeconds   = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	commitBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}
)

// New returns metrics of a hub of the given version. Every test may make its
// own.
func New(version string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,

		inboundEvents:  counters(r, inboundEvents, "Events from providers and browsers.", labelChannel, labelResult),
		inboundSeconds: histograms(r, inboundSeconds, "From a verified event to its commit.", callSeconds, labelChannel),

		outboundAttempts: counters(r, outboundAttempts, "Attempts to send.", labelChannel, labelOutcome),
		outboundSeconds:  histograms(r, outboundSeconds, "Duration of an attempt, provider included.", callSeconds, labelChannel),
		lanesActive:      gauge(r, lanesActive, "Conversations with deliveries on their way in this process."),
		deliveriesHeld:   gauge(r, deliveriesHeld, "Deliveries that wait for a status or for somebody to resolve them."),
		deadLetters:      counter(r, deadLetters, "Deliveries and pushes given up on."),

		feedAppends:      counter(r, feedAppends, "Rows appended to feed logs."),
		feedBatchRecords: histogram(r, feedBatchRecords, "Records in one appended row.", []float64{1, 2, 4, 8, 16, 32, 64, 128}),

		commitSeconds: histogram(r, commitSeconds, "Duration of a commit of rows, retries included.", commitBuckets),
		commits:       counters(r, commits, "Commits of rows, by the code they ended with.", labelCode),
		writeUnits:    counters(r, writeUnits, "Write units of 1 KiB, as a DynamoDB bill would count them.", labelRoot),

		pluginState:      gauges(r, pluginState, "1 for the state a plugin is in.", labelPlugin, labelState),
		pluginRestarts:   counters(r, pluginRestarts, "Plugin processes started in place of one that ended.", labelPlugin),
		pluginRPCSeconds: histograms(r, pluginRPCSeconds, "Duration of calls to plugins.", callSeconds, labelPlugin, labelMethod, labelResult),
		journalRequests:  gauges(r, journalRequests, "Raw requests that wait for a plugin.", labelPlugin),
		journalBytes:     gauges(r, journalBytes, "Bytes of raw requests that wait for a plugin.", labelPlugin),
		journalEntries:   counters(r, journalEntries, "Raw requests kept for a plugin, and what became of them.", labelPlugin, labelResult),

		httpRequests: counters(r, httpRequests, "Requests answered.", labelRoute, labelCode),
		httpSeconds:  histograms(r, httpSeconds, "Duration of requests, streams and long polls left out.", callSeconds, labelRoute),
		sseClients:   gauge(r, sseClients, "Event streams open."),
		chatSockets:  gauge(r, chatSockets, "Chat sockets open."),

		configReloadOK:   gauge(r, configReloadOK, "1 when the last load of the configuration succeeded."),
		configReloadTime: gauge(r, configReloadTime, "When the configuration that runs was loaded."),

		keyRequests:  counters(r, keyRequests, "Requests to the service of root keys, repeats included.", labelCall),
		blobRequests: counters(r, blobRequests, "Requests for bytes of attachments, repeats included.", labelCall),

		logDropped: counter(r, logDropped, "Log records given up because the sink was too slow or away."),

		auditCopyRows:    gauge(r, auditCopyRows, "Rows of the audit log that the log sink has not accepted."),
		auditCopySeconds: gauge(r, auditCopySeconds, "Age of the oldest row of the audit log that the log sink has not accepted."),

		retentionRemoved:  counters(r, retentionRemoved, "What was removed because its time had ended.", labelClass),
		retentionLateness: gauges(r, retentionLateness, "How long past its end the oldest thing is that is still there.", labelClass),

		ordersPending: gauges(r, ordersPending, "Erasures and removals that were ordered and are not done.", labelKind),
		ordersDone:    counters(r, ordersDone, "Erasures and removals that this process has carried out.", labelKind),

		states: map[string]string{},
	}
	build := gauges(r, buildInfo, "1, with the version of the hub.", labelVersion, labelGo)
	build.WithLabelValues(version, runtime.Version()).Set(1)
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler serves the metrics in Prometheus's text form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Inbound counts an event.
func (m *Metrics) Inbound(channel string, result InboundResult) {
	if m == nil {
		return
	}
	m.inboundEvents.WithLabelValues(m.channels.value(channel), string(result)).Inc()
}

// InboundCommitted observes the time from a verified event to its commit.
func (m *Metrics) InboundCommitted(channel string, took time.Duration) {
	if m == nil {
		return
	}
	m.inboundSeconds.WithLabelValues(m.channels.value(channel)).Observe(took.Seconds())
}

// Attempt counts an attempt to send and observes how long it took.
func (m *Metrics) Attempt(channel string, outcome AttemptOutcome, took time.Duration) {
	if m == nil {
		return
	}
	channel = m.channels.value(channel)
	m.outboundAttempts.WithLabelValues(channel, string(outcome)).Inc()
	m.outboundSeconds.WithLabelValues(channel).Observe(took.Seconds())
}

// LaneActive adds to the lanes at work: 1 when one starts, -1 when it stops.
func (m *Metrics) LaneActive(delta int) {
	if m == nil {
		return
	}
	m.lanesActive.Add(float64(delta))
}

// Held adds to the held deliveries.
func (m *Metrics) Held(delta int) {
	if m == nil {
		return
	}
	m.deliveriesHeld.Add(float64(delta))
}

// DeadLettered counts a delivery or a push given up on.
func (m *Metrics) DeadLettered() {
	if m == nil {
		return
	}
	m.deadLetters.Inc()
}

// FeedAppended counts a row of so many records.
func (m *Metrics) FeedAppended(records int) {
	if m == nil {
		return
	}
	m.feedAppends.Inc()
	m.feedBatchRecords.Observe(float64(records))
}

// Committed counts a commit of rows. The code is empty when it succeeded.
func (m *Metrics) Committed(code string, took time.Duration) {
	if m == nil {
		return
	}
	if code == "" {
		code = "ok"
	}
	m.commits.WithLabelValues(code).Inc()
	m.commitSeconds.Observe(took.Seconds())
}

// WriteUnits adds what a commit cost.
func (m *Metrics) WriteUnits(root Root, units float64) {
	if m == nil {
		return
	}
	m.writeUnits.WithLabelValues(string(root)).Add(units)
}

// PluginState notes the state a plugin is in now.
func (m *Metrics) PluginState(plugin, state string) {
	if m == nil {
		return
	}
	plugin = m.plugins.value(plugin)
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.states[plugin]; ok && was != state {
		m.pluginState.WithLabelValues(plugin, was).Set(0)
	}
	m.states[plugin] = state
	m.pluginState.WithLabelValues(plugin, state).Set(1)
}

// PluginRestarted counts a process started in place of one that ended.
func (m *Metrics) PluginRestarted(plugin string) {
	if m == nil {
		return
	}
	m.pluginRestarts.WithLabelValues(m.plugins.value(plugin)).Inc()
}

// PluginCalled observes a call to a plugin; ok is false for a fault.
func (m *Metrics) PluginCalled(plugin, method string, ok bool, took time.Duration) {
	if m == nil {
		return
	}
	result := "ok"
	if !ok {
		result = "fault"
	}
	m.pluginRPCSeconds.WithLabelValues(m.plugins.value(plugin), m.methods.value(method), result).Observe(took.Seconds())
}

// Journal notes what waits for a plugin.
func (m *Metrics) Journal(plugin string, requests int, bytes int64) {
	if m == nil {
		return
	}
	plugin = m.plugins.value(plugin)
	m.journalRequests.WithLabelValues(plugin).Set(float64(requests))
	m.journalBytes.WithLabelValues(plugin).Set(float64(bytes))
}

// Journaled counts what happened to raw requests in the journal.
func (m *Metrics) Journaled(plugin string, result JournalResult, n int) {
	if m == nil || n == 0 {
		return
	}
	m.journalEntries.WithLabelValues(m.plugins.value(plugin), string(result)).Add(float64(n))
}

// Request counts an answered request. Route is the pattern that matched,
// never the path. Zero took is not observed: a stream or a long poll lasts as
// long as its client likes.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if status < 100 || status > 599 {
		status = http.StatusInternalServerError
	}
	route = m.routes.value(route)
	m.httpRequests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	if took > 0 {
		m.httpSeconds.WithLabelValues(route).Observe(took.Seconds())
	}
}

// SSEClients adds to the open event streams.
func (m *Metrics) SSEClients(delta int) {
	if m == nil {
		return
	}
	m.sseClients.Add(float64(delta))
}

// ChatSockets adds to the open chat sockets.
func (m *Metrics) ChatSockets(delta int) {
	if m == nil {
		return
	}
	m.chatSockets.Add(float64(delta))
}

// ConfigLoaded notes a load of the configuration, the first included. A load
// that failed leaves the time of the one that runs.
func (m *Metrics) ConfigLoaded(ok bool, at time.Time) {
	if m == nil {
		return
	}
	if !ok {
		m.configReloadOK.Set(0)
		return
	}
	m.configReloadOK.Set(1)
	m.configReloadTime.Set(float64(at.UnixMilli()) / 1000)
}

// LogDropped counts log records given up.
func (m *Metrics) LogDropped(n int) {
	if m == nil {
		return
	}
	m.logDropped.Add(float64(n))
}

// KeysAsked counts a request to the service of root keys. Call is one of a
// closed set.
func (m *Metrics) KeysAsked(call string) {
	if m == nil {
		return
	}
	m.keyRequests.WithLabelValues(call).Inc()
}

// BlobsAsked counts a request for bytes of attachments. Call is one of a
// closed set.
func (m *Metrics) BlobsAsked(call string) {
	if m == nil {
		return
	}
	m.blobRequests.WithLabelValues(call).Inc()
}

// AuditCopyLag notes how many rows of the audit log the log sink has not
// accepted, and the age of the oldest.
func (m *Metrics) AuditCopyLag(rows uint64, oldest time.Duration) {
	if m == nil {
		return
	}
	m.auditCopyRows.Set(float64(rows))
	m.auditCopySeconds.Set(oldest.Seconds())
}

// Swept counts what retention removed. Class is one of a closed set.
func (m *Metrics) Swept(class string, n int) {
	if m == nil || n <= 0 {
		return
	}
	m.retentionRemoved.WithLabelValues(class).Add(float64(n))
}

// SweepLateness notes how long past its end the oldest thing of a class is.
func (m *Metrics) SweepLateness(class string, late time.Duration) {
	if m == nil {
		return
	}
	m.retentionLateness.WithLabelValues(class).Set(late.Seconds())
}

// OrdersPending notes how many orders of a kind are not done. Kind is one of a
// closed set.
func (m *Metrics) OrdersPending(kind string, n int) {
	if m == nil {
		return
	}
	m.ordersPending.WithLabelValues(kind).Set(float64(n))
}

// OrderDone counts an order that was carried out. Kind is one of a closed set.
func (m *Metrics) OrderDone(kind string) {
	if m == nil {
		return
	}
	m.ordersDone.WithLabelValues(kind).Inc()
}
