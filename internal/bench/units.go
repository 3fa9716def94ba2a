package main

import (
	"context"
	"fmt"
	"net/http"
)

// units are write units a message, as the hub's own metrics count them: of
// 1 KiB, transactions double.
type units struct {
	FirstContact float64 `json:"first_contact"` // inbound, from somebody new
	Inbound      float64 `json:"inbound"`       // inbound, from a known contact
	OutboundIdle float64 `json:"outbound_idle"` // to sent, the only one on its lane
	OutboundLive float64 `json:"outbound_live"` // to sent, on a lane that is active
	Receipt      float64 `json:"receipt"`       // a later status of what was sent

	Requests requests `json:"requests"`
}

// requests are what AWS bills by the request, as the hub's own metrics count
// them; those of S3 are objectRequests.
type requests struct {
	Keys float64 `json:"kms_per_1000_messages"` // behind the start, in and out
}

// unitSamples is how many messages each step is averaged over. They come one
// at a time: those that share a row would share its cost.
const unitSamples = 20

// meter counts write units on a hub of its own.
type meter struct {
	h   *hub
	p   *provider
	c   *conn
	t   *traffic
	ids []string // the provider's, of what was sent
}

func countUnits(ctx context.Context, s settings) (u units, err error) {
	s.Connections, s.Contacts = 1, unitSamples
	p, err := startProvider(ctx, 1)
	if err != nil {
		return u, err
	}
	defer p.close()
	h, err := startHub(ctx, s, p.url)
	if err != nil {
		return u, err
	}
	defer h.end()
	c, err := dial(ctx, h.public)
	if err != nil {
		return u, err
	}
	defer c.close()
	m := &meter{h: h, p: p, c: c, t: newTraffic(s, "units", 0)}

	// What the first message of a hub costs once is no other's.
	if err = m.receive(unitSamples); err != nil {
		return u, err
	}
	if u.FirstContact, err = m.count(ctx, m.receive); err != nil {
		return u, err
	}
	if u.Inbound, err = m.count(ctx, m.receive); err != nil {
		return u, err
	}
	if u.OutboundIdle, err = m.count(ctx, func(i int) error { return m.send(ctx, i) }); err != nil {
		return u, err
	}
	if u.OutboundLive, err = m.count(ctx, func(int) error { return m.send(ctx, 0) }); err != nil {
		return u, err
	}
	// The first of those found its lane idle.
	u.OutboundLive = (u.OutboundLive*unitSamples - u.OutboundIdle) / (unitSamples - 1)
	u.Receipt, err = m.count(ctx, func(i int) error { return expect(m.c, m.t.receipt(m.ids[i]), http.StatusOK) })
	if err != nil {
		return u, err
	}
	u.Requests, err = m.requests(ctx)
	return u, err
}

func (m *meter) receive(i int) error { return expect(m.c, m.t.from(contactName(i)), http.StatusOK) }

func (m *meter) send(ctx context.Context, i int) error {
	if err := expect(m.c, m.t.to(contactName(i)), http.StatusAccepted); err != nil {
		return err
	}
	id, err := m.p.wait(ctx, 0, m.t.n)
	m.ids = append(m.ids, id)
	return err
}

// requests counts on a hub that has served a while: its keys are at hand.
func (m *meter) requests(ctx context.Context) (r requests, err error) {
	const messages = 1000
	before, err := m.h.metrics(ctx)
	if err != nil {
		return r, err
	}
	for i := range messages / 2 {
		if err := m.receive(i % unitSamples); err != nil {
			return r, err
		}
		if err := m.send(ctx, i%unitSamples); err != nil {
			return r, err
		}
	}
	after, err := m.h.metrics(ctx)
	r.Keys = after[metricKeys] - before[metricKeys]
	return r, err
}

// count does something for each sample, waits until no lane is active any more,
// and returns the units that each took.
func (m *meter) count(ctx context.Context, do func(i int) error) (float64, error) {
	before, err := m.h.metrics(ctx)
	if err != nil {
		return 0, err
	}
	for i := range unitSamples {
		if err := do(i); err != nil {
			return 0, fmt.Errorf("count write units: %w", err)
		}
	}
	var after map[string]float64
	err = eventually(ctx, "see the lanes end", func() error {
		var err error
		if after, err = m.h.metrics(ctx); err == nil && after[metricLanes] > 0 {
			return errNotYet
		}
		return err
	})
	return (after[metricUnits] - before[metricUnits]) / unitSamples, err
}
