package flow_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/store"
)

// What a step may write at most, in units of 1 KiB, one message of at most 300
// bytes of text at a time, from and to a contact that is known. Storage is
// billed by these numbers: ADR 1 says where each unit goes.
const (
	inboundUnits  = 3
	activeUnits   = 7 // to "sent", on a lane that is noted as active
	idleUnits     = 9 // the same with the note, and its removal
	statusUnits   = 2
	socketUnits   = 4
	repeatUnits   = 0
	textBytes     = 300
	unitsAccount  = "northwind-whatsapp-support-eu"
	unitsClient   = "northwind-traders-europe"
	providerID    = "wamid.HBgLMTU1NTEyMzQ1NjcVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcAQ0Q2RTY3"
	traceparent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unitsPlugin   = "whatsapp"
	unitsPatience = 30 * time.Second
)

// meter is a driver that counts write units. A row that a reader sees is
// counted: looking at the meter waits for commits that are under way.
type meter struct {
	driver.Driver

	mu    sync.RWMutex // held for reading during a commit
	count sync.Mutex
	units float64
	calls []string
}

func (m *meter) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	cost, err := m.Driver.Commit(ctx, id, ops)
	m.count.Lock()
	defer m.count.Unlock()
	m.units += cost.WriteUnits
	// The kind of row, without its names.
	kind, _, _ := strings.Cut(strings.TrimPrefix(ops[0].PK, "c/"+unitsClient+"/"), "/")
	m.calls = append(m.calls, fmt.Sprintf("%s %v", kind, cost.WriteUnits))
	return cost, err
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units, m.calls = 0, nil
}

func (m *meter) atMost(t *testing.T, what string, most float64) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	t.Logf("%s: %v write units", what, m.units)
	if m.units > most {
		t.Errorf("%s: %v write units, want at most %v: %s", what, m.units, most, strings.Join(m.calls, ", "))
	}
	if m.units == 0 && most > 0 {
		t.Errorf("%s: nothing was counted", what)
	}
}

// connector sends at once.
type connector struct {
	descriptor pluginhost.Descriptor

	mu   sync.Mutex
	sent int
}

func (c *connector) Describe(model.PluginID) (pluginhost.Descriptor, bool) { return c.descriptor, true }
func (c *connector) Ready(model.PluginID) bool                             { return true }

func (c *connector) Send(context.Context, model.PluginID, pluginhost.Delivery) (pluginhost.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	return pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{fmt.Sprint(providerID, c.sent)}}, nil
}

// rooms are the two rooms of this package over a metered table on disk.
type rooms struct {
	t       *testing.T
	meter   *meter
	root    *rootMeter
	in      *inbound.Inbound
	out     *outbound.Outbound
	store   *store.Store
	client  *store.Client
	account accounts.Account
	changed chan struct{} // one token: a message or status was committed
	said    int
}

func newRooms(t *testing.T, db driver.Driver, linger time.Duration, socket bool) *rooms {
	t.Helper()
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rooms{t: t, meter: &meter{Driver: db}, root: &rootMeter{Driver: ring}, changed: make(chan struct{}, 1)}
	r.store = store.New(table.New(r.meter, nil), keys.New(r.root), &store.Options{Seal: &seal.Options{Now: r.root.now}})
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.client, err = r.store.Client(t.Context(), unitsClient); err != nil {
		t.Fatal(err)
	}
	r.account = accounts.Account{ID: unitsAccount, Client: unitsClient, Plugin: unitsPlugin, Enabled: true}
	registry := accounts.NewRegistry()
	week := 7 * 24 * time.Hour
	registry.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{unitsClient: {ID: unitsClient, Retention: model.Retention{
			Messages: week, Undelivered: week, DeadLetters: week, Dedupe: week, Idempotency: 24 * time.Hour,
		}}},
		Accounts: map[model.AccountID]accounts.Account{unitsAccount: r.account},
	})
	registry.Move(unitsAccount, accounts.Open, "", time.Now())
	committed := func(model.ClientID, model.ConversationID) {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
	r.out = outbound.New(outbound.Options{
		Store: r.store, Accounts: registry, Linger: linger, Committed: committed,
		Connectors: &connector{descriptor: pluginhost.Descriptor{
			Can: pluginhost.Capabilities{Send: true, RenderSocket: socket}, IdempotentSend: true,
			AddressKinds: []model.AddressKind{model.Phone},
		}},
	})
	t.Cleanup(func() {
		if err := r.out.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r.in = inbound.New(inbound.Options{Store: r.store, Accounts: registry, Receipts: r.out, Committed: committed})
	r.hear("first") // the contact is known from here on
	return r
}

// onEachDriver runs a test over Pebble, which counts as DynamoDB bills, and
// over DynamoDB, which reports what it billed.
func onEachDriver(t *testing.T, test func(t *testing.T, db driver.Driver)) {
	t.Run("embedded", func(t *testing.T) { test(t, storetest.Pebble(t)) })
	t.Run("dynamodb", func(t *testing.T) { test(t, storetest.DynamoDB(t)) })
}

// text is as long as it may be, and nothing makes it shorter.
func text() string {
	b := make([]byte, textBytes)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)[:textBytes]
}

func (r *rooms) accept(item pluginhost.Item) {
	r.t.Helper()
	from := inbound.Source{Plugin: unitsPlugin, Received: time.Now()}
	if err := r.in.Accept(r.t.Context(), from, []pluginhost.Item{item})[0]; err != nil {
		r.t.Fatal(err)
	}
}

// hear takes a message of the customer's.
func (r *rooms) hear(key string) {
	r.t.Helper()
	r.accept(pluginhost.Item{Event: &pluginhost.Event{
		AccountID: unitsAccount, Type: model.MessageReceived, DedupeKey: providerID + key, OccurredAt: time.Now(),
		Addresses: []model.Address{{Kind: model.Phone, Value: "+4915112345678"}}, DisplayName: "Ada Lovelace", Traceparent: traceparent,
		Message: &model.Message{ProviderID: providerID + key, Content: &model.Content{Type: model.ContentText, Text: text()}},
	}})
}

// say submits an answer and returns it.
func (r *rooms) say() store.Outbound {
	r.t.Helper()
	r.said++
	accepted, err := r.out.Submit(r.t.Context(), unitsClient, outbound.Request{
		Account: unitsAccount, Address: model.Address{Kind: model.Phone, Value: "+4915112345678"},
		Content: model.Content{Type: model.ContentText, Text: text()}, TraceID: traceparent,
	}, outbound.Idempotency{Route: "POST /v1/messages", Key: fmt.Sprintf("4f9d1c52-7f3a-4c55-9f0e-%012d", r.said), Body: []byte("{}")})
	if err != nil {
		r.t.Fatal(err)
	}
	return accepted.Message
}

// until waits for something that the rooms bring about by themselves.
func (r *rooms) until(what string, done func() (bool, error)) {
	r.t.Helper()
	deadline := time.After(unitsPatience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		ok, err := done()
		if err != nil {
			r.t.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-look.C:
		case <-deadline:
			r.t.Fatalf("%s: not within %s", what, unitsPatience)
		}
	}
}

// reaches waits until the feed tells that the message has the status.
func (r *rooms) reaches(msg store.Outbound, status model.Status) {
	r.t.Helper()
	feed := r.client.Feed(msg.Conversation)
	r.until("see the message "+string(status), func() (bool, error) {
		rows, err := feed.ReadBack(r.t.Context(), 0, 4)
		for _, row := range rows {
			for _, rec := range row.Records {
				if rec.Kind == store.StatusRecord && rec.Key == msg.UUID && rec.New == status {
					return true, err
				}
			}
		}
		return false, err
	})
}

func TestInboundUnits(t *testing.T) { onEachDriver(t, testInboundUnits) }

func testInboundUnits(t *testing.T, db driver.Driver) {
	r := newRooms(t, db, time.Hour, false)
	for n := range 5 {
		r.meter.reset()
		r.hear(fmt.Sprint("k", n))
		r.meter.atMost(t, "an inbound message", inboundUnits)
		r.meter.reset()
		r.hear(fmt.Sprint("k", n))
		r.meter.atMost(t, "its repeat", repeatUnits)
	}
}

func TestOutboundUnitsOnAnActiveLane(t *testing.T) { onEachDriver(t, testOutboundUnitsOnAnActiveLane) }

func testOutboundUnitsOnAnActiveLane(t *testing.T, db driver.Driver) {
	r := newRooms(t, db, time.Hour, false)
	r.reaches(r.say(), model.Sent) // notes the lane
	for range 5 {
		r.meter.reset()
		msg := r.say()
		r.reaches(msg, model.Sent)
		r.meter.atMost(t, "an answer, to sent", activeUnits)
		for _, status := range []model.Status{model.Delivered, model.Read} {
			r.meter.reset()
			id := fmt.Sprint(providerID, r.said)
			r.accept(pluginhost.Item{Status: &pluginhost.StatusReport{AccountID: unitsAccount, Status: status, ProviderID: id, OccurredAt: time.Now()}})
			r.reaches(msg, status)
			r.meter.atMost(t, "the receipt "+string(status), statusUnits)
		}
	}
}

func TestOutboundUnitsOnAnIdleLane(t *testing.T) { onEachDriver(t, testOutboundUnitsOnAnIdleLane) }

func testOutboundUnitsOnAnIdleLane(t *testing.T, db driver.Driver) {
	r := newRooms(t, db, time.Millisecond, false)
	idle := func() (bool, error) {
		lanes, err := r.store.ActiveLanes(t.Context())
		return len(lanes) == 0, err
	}
	for range 5 {
		r.until("see the lane idle", idle)
		r.meter.reset()
		r.reaches(r.say(), model.Sent)
		r.until("see the lane idle again", idle)
		r.meter.atMost(t, "an answer on an idle lane, until it is idle again", idleUnits)
	}
}

func TestOutboundUnitsToASocket(t *testing.T) { onEachDriver(t, testOutboundUnitsToASocket) }

func testOutboundUnitsToASocket(t *testing.T, db driver.Driver) {
	r := newRooms(t, db, time.Hour, true)
	for range 5 {
		r.meter.reset()
		r.reaches(r.say(), model.Sent)
		r.meter.atMost(t, "an answer to a browser", socketUnits)
	}
}
