package telemetry

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// exercise calls every method once.
func exercise(m *Metrics) {
	m.Inbound("sms", InboundAccepted)
	m.InboundCommitted("sms", time.Millisecond)
	m.Attempt("sms", AttemptSent, time.Second)
	m.LaneActive(1)
	m.Held(1)
	m.DeadLettered()
	m.FeedAppended(3)
	m.Committed("", time.Millisecond)
	m.WriteUnits(RootClient, 3)
	m.KeysAsked("unwrap")
	m.BlobsAsked("put")
	m.PluginState("sms", "running")
	m.PluginRestarted("sms")
	m.PluginCalled("sms", "Send", true, time.Millisecond)
	m.Journal("sms", 2, 2048)
	m.Journaled("sms", JournalKept, 2)
	m.Request("/v1/events", 200, time.Millisecond)
	m.SSEClients(1)
	m.ChatSockets(1)
	m.ConfigLoaded(true, time.UnixMilli(1_700_000_000_500))
	m.LogDropped(1)
	m.AuditCopyLag(2, time.Minute)
	m.Swept("messages", 1)
	m.SweepLateness("messages", time.Second)
	m.OrdersPending("client.remove", 1)
	m.OrderDone("client.remove")
}

func TestNilCountsNothing(*testing.T) {
	exercise(nil)
}

func TestEveryNameIsInAScrape(t *testing.T) {
	m := New("1.2.3")
	exercise(m)
	var got []string
	for _, f := range gather(t, m) {
		if !strings.HasPrefix(f.GetName(), "go_") && !strings.HasPrefix(f.GetName(), "process_") {
			got = append(got, f.GetName())
		}
	}
	want := slices.Sorted(slices.Values(Names()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-Names +scrape):\n%s", diff)
	}
}

func TestNamesFollowTheRules(t *testing.T) {
	m := New("1.2.3")
	exercise(m)
	unit := regexp.MustCompile(`_(seconds|bytes|total|records|rows|requests|info|successful|state|active|held|pending|clients|sockets)$`)
	for _, f := range gather(t, m) {
		name := f.GetName()
		if !strings.HasPrefix(name, "hub_") {
			continue
		}
		if !unit.MatchString(name) {
			t.Errorf("%s does not end in a unit", name)
		}
		if counter := f.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s", name, f.GetType())
		}
		if !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s has the help %q, which is no sentence", name, f.GetHelp())
		}
	}
}

// TestNamesAreSpelledHere keeps a metric's name out of every other file.
func TestNamesAreSpelledHere(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "names.go" || strings.HasSuffix(e.Name(), "_test.go") || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`"hub_[a-z_]+"`).Find(text); found != nil {
			t.Errorf("%s spells %s", e.Name(), found)
		}
	}
}

func TestValues(t *testing.T) {
	m := New("1.2.3")
	exercise(m)
	m.Attempt("sms", AttemptUnknown, time.Second)
	m.LaneActive(1)
	m.LaneActive(-2)
	m.PluginState("sms", "backoff")
	m.PluginCalled("sms", "Send", false, time.Millisecond)
	m.Committed("precondition", time.Millisecond)
	m.Request("/v1/events", 9999, 0)
	m.ConfigLoaded(false, time.UnixMilli(1_800_000_000_000))
	tests := []struct {
		series string
		want   string
	}{
		{`hub_build_info{goversion="[^"]+",version="1.2.3"}`, "1"},
		{`hub_inbound_events_total{channel="sms",result="accepted"}`, "1"},
		{`hub_outbound_attempts_total{channel="sms",outcome="unknown"}`, "1"},
		{`hub_outbound_attempt_seconds_count{channel="sms"}`, "2"},
		{`hub_lanes_active`, "0"},
		{`hub_feed_append_records_sum`, "3"},
		{`hub_table_commits_total{code="ok"}`, "1"},
		{`hub_table_commits_total{code="precondition"}`, "1"},
		{`hub_table_write_units_total{root="client"}`, "3"},
		{`hub_key_requests_total{call="unwrap"}`, "1"},
		{`hub_blob_requests_total{call="put"}`, "1"},
		{`hub_plugin_state{plugin="sms",state="running"}`, "0"},
		{`hub_plugin_state{plugin="sms",state="backoff"}`, "1"},
		{`hub_plugin_rpc_seconds_count{method="Send",plugin="sms",result="fault"}`, "1"},
		{`hub_journal_bytes{plugin="sms"}`, "2048"},
		{`hub_http_requests_total{code="500",route="/v1/events"}`, "1"},
		{`hub_http_request_seconds_count{route="/v1/events"}`, "1"},
		{`hub_config_last_reload_successful`, "0"},
		{`hub_config_last_reload_success_timestamp_seconds`, "1.7000000005e\\+09"},
	}
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, tc := range tests {
		series := strings.NewReplacer("{", `\{`, "}", `\}`).Replace(tc.series)
		if !regexp.MustCompile(`(?m)^` + series + ` ` + tc.want + `$`).MatchString(rec.Body.String()) {
			t.Errorf("the scrape lacks %s %s", tc.series, tc.want)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := New("1.2.3")
	for i := range 3 * maxValues {
		m.Request(fmt.Sprintf("/x/%d", i), 404, 0)
	}
	m.Request("", 404, 0)
	for _, f := range gather(t, m) {
		if f.GetName() != httpRequests {
			continue
		}
		if got := len(f.GetMetric()); got != maxValues+1 {
			t.Errorf("%d series, want %d and one for the rest", got, maxValues)
		}
		return
	}
	t.Errorf("no %s", httpRequests)
}

func gather(t *testing.T, m *Metrics) []*dto.MetricFamily {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}
