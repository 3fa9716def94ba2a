package outbound_test

import (
	"errors"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

func TestReceiptsMoveForward(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	w.await(m, model.Sent)
	id := providerID(m.ID())
	for _, s := range []model.Status{model.Read, model.Delivered, model.Sent, model.Failed, model.Read} {
		w.report(out, id, s)
	}
	w.told(m, model.Sent, model.Read)
	if now := w.read(m); now.Status != model.Read || now.Failure != nil {
		t.Errorf("it is %s, %+v", now.Status, now.Failure)
	}
}

func TestFailedReceiptAndCorrection(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	w.await(m, model.Sent)
	w.reportAs(out, pluginhost.StatusReport{
		Status: model.Failed, ProviderID: providerID(m.ID()), Failure: &model.Failure{Code: "undeliverable", ProviderCode: "30003"},
	})
	if now := w.read(m); now.Status != model.Failed || now.Failure.Code != "undeliverable" || now.Failure.ProviderCode != "30003" {
		t.Errorf("it is %s, %+v", now.Status, now.Failure)
	}
	w.report(out, providerID(m.ID()), model.Sent)
	if now := w.read(m); now.Status != model.Failed {
		t.Errorf("an older receipt made it %s", now.Status)
	}
	w.report(out, providerID(m.ID()), model.Delivered)
	if now := w.read(m); now.Status != model.Delivered || now.Failure != nil {
		t.Errorf("behind a late receipt it is %s, %+v", now.Status, now.Failure)
	}
	w.told(m, model.Sent, model.Failed, model.Delivered)
}

// TestEarlyReceipts: receipts may come before the outcome of the attempt.
func TestEarlyReceipts(t *testing.T) {
	for _, c := range []struct {
		name  string
		early []model.Status
		told  []model.Status
	}{
		{"delivered", []model.Status{model.Delivered}, []model.Status{model.Delivered}},
		{"sent", []model.Status{model.Sent}, []model.Status{model.Sent}},
		{"failed", []model.Status{model.Failed}, []model.Status{model.Failed}},
		{"read, then an older one", []model.Status{model.Read, model.Delivered}, []model.Status{model.Read}},
		{"failed, then delivered", []model.Status{model.Failed, model.Delivered}, []model.Status{model.Delivered}},
		{"failed, then sent", []model.Status{model.Failed, model.Sent}, []model.Status{model.Failed}},
		{"delivered, then failed", []model.Status{model.Delivered, model.Failed}, []model.Status{model.Delivered}},
	} {
		t.Run("by provider id/"+c.name, func(t *testing.T) {
			w := newWorld(t)
			g := newGate(sent)
			w.provider.script("hello", g.answer)
			out := w.pool(nil)
			m := w.submit(out, "ada", "hello")
			g.wait(t)
			for _, s := range c.early {
				w.report(out, providerID(m.ID()), s)
			}
			close(g.leave)
			w.told(m, c.told...)
			if now := w.read(m); len(now.ProviderIDs) != 1 || now.Attempts != 1 {
				t.Errorf("provider ids %q, attempts %d", now.ProviderIDs, now.Attempts)
			}
		})
	}
	for _, early := range []model.Status{model.Delivered, model.Failed} {
		t.Run("by message id/"+string(early), func(t *testing.T) {
			w := newWorld(t)
			g := newGate(sent)
			w.provider.script("hello", g.answer)
			out := w.pool(nil)
			m := w.submit(out, "ada", "hello")
			g.wait(t)
			w.reportAs(out, pluginhost.StatusReport{Status: early, MessageID: m.ID()})
			w.await(m, early)
			close(g.leave)
			w.idle()
			if early == model.Failed { // the provider took it behind its own refusal
				w.await(m, model.Sent)
				return
			}
			w.told(m, early)
		})
	}
}

// TestEarlyReceiptSurvives breaks the outcome's write behind the provider id:
// the receipt that waited there is not lost.
func TestEarlyReceiptSurvives(t *testing.T) {
	w := newWorld(t)
	g := newGate(sent)
	w.provider.script("hello", g.answer)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	g.wait(t)
	w.report(out, providerID(m.ID()), model.Delivered)
	w.disk.heal()
	w.disk.fail(1, nil) // the provider id passes, the message row does not
	close(g.leave)
	w.until("the outcome to be refused", func() error {
		w.disk.mu.Lock()
		defer w.disk.mu.Unlock()
		if w.disk.seen < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	w.disk.heal()
	w.told(m, model.Delivered)
}

func TestSeveralProviderIDs(t *testing.T) {
	w := newWorld(t)
	w.provider.script("long", says(pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{"part-1", "part-2"}}))
	out := w.pool(nil)
	m := w.submit(out, "ada", "long")
	w.await(m, model.Sent)
	w.report(out, "part-2", model.Delivered)
	w.report(out, "part-1", model.Delivered)
	w.told(m, model.Sent, model.Delivered)
}

// TestSameProviderIDTwice: the first message keeps the id.
func TestSameProviderIDTwice(t *testing.T) {
	w := newWorld(t)
	same := says(pluginhost.Outcome{Kind: pluginhost.Sent, ProviderIDs: []string{"same"}})
	w.provider.script("one", same)
	w.provider.script("two", same)
	out := w.pool(nil)
	one, two := w.submit(out, "ada", "one"), w.submit(out, "ada", "two")
	w.await(two, model.Sent)
	w.report(out, "same", model.Read)
	if a, b := w.read(one).Status, w.read(two).Status; a != model.Read || b != model.Sent {
		t.Errorf("the messages are %s and %s, want read and sent", a, b)
	}
}

func TestWatermark(t *testing.T) {
	w := newWorld(t)
	w.provider.script("refused", says(pluginhost.Outcome{Kind: pluginhost.Rejected, Code: "no"}))
	out := w.pool(nil)
	one, refused := w.submit(out, "ada", "one"), w.submit(out, "ada", "refused")
	w.await(one, model.Sent)
	w.await(refused, model.Failed)
	w.clock.Add(int64(time.Minute))
	mark := w.now()
	w.clock.Add(int64(time.Minute))
	later, other := w.submit(out, "ada", "later"), w.submit(out, "bob", "other")
	w.await(later, model.Sent)
	w.await(other, model.Sent)
	w.reportAs(out, pluginhost.StatusReport{
		Status: model.Read, Watermark: &pluginhost.Watermark{Address: one.To[0], UpTo: mark},
	})
	for m, want := range map[string]struct {
		m    store.Outbound
		want model.Status
	}{
		"before the mark": {one, model.Read}, "failed before it": {refused, model.Failed},
		"behind it": {later, model.Sent}, "of somebody else": {other, model.Sent},
	} {
		if got := w.read(want.m).Status; got != want.want {
			t.Errorf("the message %s is %s, want %s", m, got, want.want)
		}
	}
}

func TestReportRefuses(t *testing.T) {
	w := newWorld(t)
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	w.await(m, model.Sent)
	acct, _ := w.accounts.Account(account)
	other := acct
	other.ID = "elsewhere"
	missing := model.MessagePlace{Conversation: m.Conversation, Direction: model.Outbound, Key: model.NewRandom16()}.ID()
	inbound := model.MessagePlace{Conversation: m.Conversation, Direction: model.Inbound, Key: model.NewRandom16()}.ID()
	for name, c := range map[string]struct {
		rep  pluginhost.StatusReport
		code model.Code
	}{
		"queued":           {pluginhost.StatusReport{Status: model.Queued, MessageID: m.ID()}, model.Invalid},
		"nothing named":    {pluginhost.StatusReport{Status: model.Read}, model.Invalid},
		"malformed id":     {pluginhost.StatusReport{Status: model.Read, MessageID: "msg_x"}, model.NotFound},
		"missing message":  {pluginhost.StatusReport{Status: model.Read, MessageID: missing}, model.NotFound},
		"inbound message":  {pluginhost.StatusReport{Status: model.Read, MessageID: inbound}, model.NotFound},
		"unknown customer": {pluginhost.StatusReport{Status: model.Read, Watermark: &pluginhost.Watermark{Address: model.Address{Kind: model.Phone, Value: "nobody"}, UpTo: time.Now()}}, model.NotFound},
	} {
		if err := out.Report(t.Context(), acct, c.rep); !model.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	err := out.Report(t.Context(), other, pluginhost.StatusReport{Status: model.Read, MessageID: m.ID()})
	if !model.Is(err, model.NotFound) {
		t.Errorf("I8: another account's message: %v, want not_found", err)
	}
	if got := w.read(m).Status; got != model.Sent {
		t.Errorf("the message is %s", got)
	}
}

// TestFailureOfAnUntriedMessage: nobody can have refused what was not sent.
func TestFailureOfAnUntriedMessage(t *testing.T) {
	w := newWorld(t)
	w.provider.set(func(p *provider) { p.away = true })
	out := w.pool(nil)
	m := w.submit(out, "ada", "hello")
	w.reportAs(out, pluginhost.StatusReport{Status: model.Failed, MessageID: m.ID()})
	w.provider.set(func(p *provider) { p.away = false })
	out.StateChanged()
	w.await(m, model.Sent)
	w.told(m, model.Sent)
}
