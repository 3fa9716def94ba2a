package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

// warmUp is loaded before anything is measured: connections open, memory grows
// to its size, caches fill.
const warmUp = 500 * time.Millisecond

// sample is what one contender did in one round.
type sample struct {
	load
	cpu, pluginCPU   time.Duration // a message
	allocs, bytes    float64       // a message, without the connector
	rss, pluginRSS   float64       // MiB, right after the load
	idle, pluginIdle float64       // MiB, before the first request
	startup          time.Duration
}

// contender starts a program, loads it and stops it.
type contender func(ctx context.Context, s settings, tag string) (sample, error)

// runBare is the baseline: this program itself, as a process of its own.
func runBare(ctx context.Context, s settings, tag string) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp(s.work, "bare-")
	if err != nil {
		return sample{}, fmt.Errorf("make the baseline's directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p, err := startProcess(ctx, self, bareCommand, dir)
	if err != nil {
		return sample{}, err
	}
	defer p.stop()
	conns, err := dialAll(ctx, s, p.public)
	if err != nil {
		return sample{}, err
	}
	defer closeAll(conns)
	return observe(ctx, s, "", p, 0, posts(s, conns, tag))
}

// runInbound is the way from a provider into the feed.
func runInbound(ctx context.Context, s settings, tag string) (sample, error) {
	var out sample
	err := withHub(ctx, s, func(h *hub, idle sample, conns []*conn, _ *provider) error {
		var err error
		if out, err = observe(ctx, s, tag, h.process, h.plugin, posts(s, conns, tag)); err != nil {
			return err
		}
		out.startup, out.idle, out.pluginIdle = idle.startup, idle.idle, idle.pluginIdle
		m, err := h.metrics(ctx)
		if err != nil {
			return err
		}
		got, err := h.inFeed(ctx, func(r record) bool { return r.Type == "message.received" })
		// What was acknowledged in the warm-up and at first contact counts too.
		if want := int(m["hub_inbound_events_total"]); err == nil && (got != want || got < out.count) {
			err = fmt.Errorf("the feed holds %d messages; %d were acknowledged, %d of them while measuring", got, want, out.count)
		}
		return err
	})
	return out, err
}

// runOutbound is the way from a client application to a provider.
func runOutbound(ctx context.Context, s settings, tag string) (sample, error) {
	var out sample
	err := withHub(ctx, s, func(h *hub, idle sample, conns []*conn, p *provider) error {
		sent := 0
		steps := make([]step, len(conns))
		counts := make([]int, len(conns))
		for i, c := range conns {
			t := newTraffic(s, tag, i)
			steps[i] = func(ctx context.Context) error {
				if err := expect(c, t.outbound(), http.StatusAccepted); err != nil {
					return err
				}
				_, err := p.wait(ctx, i, t.n)
				counts[i] = t.n
				return err
			}
		}
		var err error
		if out, err = observe(ctx, s, tag, h.process, h.plugin, steps); err != nil {
			return err
		}
		out.startup, out.idle, out.pluginIdle = idle.startup, idle.idle, idle.pluginIdle
		for _, n := range counts {
			sent += n
		}
		// The last outcomes may still be on their way from the provider.
		return eventually(ctx, "find each message sent", func() error {
			got, err := h.inFeed(ctx, func(r record) bool { return r.Type == "message.status" && r.Message.Status == "sent" })
			sent -= got // a page that was read is acknowledged and not shown again
			switch {
			case err != nil:
				return err
			case sent > 0:
				return errNotYet
			case sent < 0:
				return fmt.Errorf("the feed holds %d more sent messages than were accepted", -sent)
			}
			return nil
		})
	})
	return out, err
}

// withHub starts a hub whose contacts have all been in touch once.
func withHub(ctx context.Context, s settings, use func(h *hub, idle sample, conns []*conn, p *provider) error) error {
	p, err := startProvider(ctx, s.Connections)
	if err != nil {
		return err
	}
	defer p.close()
	h, err := startHub(ctx, s, p.url)
	if err != nil {
		return err
	}
	defer h.end()
	idle, err := h.idle(ctx)
	if err != nil {
		return err
	}
	conns, err := dialAll(ctx, s, h.public)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	first := posts(s, conns, "first")
	if _, err := drive(ctx, first, func(done int) bool { return done*s.Connections < s.Contacts }); err != nil {
		return fmt.Errorf("meet the contacts: %w", err)
	}
	return use(h, idle, conns, p)
}

// settleTime lets a program that has just started come to rest.
const settleTime = time.Second

// idle measures a hub that has had nothing to do yet.
func (h *hub) idle(ctx context.Context) (out sample, err error) {
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return out, ctx.Err()
	}
	out.startup = h.startup
	if out.idle, err = rssOf(h.pid()); err == nil {
		out.pluginIdle, err = rssOf(h.plugin)
	}
	return out, err
}

// observe warms a program up, loads it, and measures what that took. Plugin is
// 0 for a program without one, which has no profiles either.
func observe(ctx context.Context, s settings, tag string, p *process, plugin int, steps []step) (out sample, err error) {
	if _, err = drive(ctx, steps, lasting(min(warmUp, s.Duration))); err != nil {
		return out, err
	}
	before, err := p.metrics(ctx)
	if err != nil {
		return out, err
	}
	cpu, pluginCPU, err := cpuOfBoth(p.pid(), plugin)
	if err != nil {
		return out, err
	}
	profiled := func() error { return nil }
	if s.profile != "" && plugin != 0 {
		profiled = startProfile(ctx, s, tag, p)
	}
	if out.load, err = drive(ctx, steps, lasting(s.Duration)); err != nil {
		return out, err
	}
	cpuAfter, pluginAfter, err := cpuOfBoth(p.pid(), plugin)
	if err != nil {
		return out, err
	}
	after, err := p.metrics(ctx)
	if err != nil {
		return out, err
	}
	n := float64(out.count)
	out.cpu, out.pluginCPU = (cpuAfter-cpu)/time.Duration(out.count), (pluginAfter-pluginCPU)/time.Duration(out.count)
	out.allocs = (after[metricMallocs] - before[metricMallocs]) / n
	out.bytes = (after[metricAllocBytes] - before[metricAllocBytes]) / n
	if out.rss, err = rssOf(p.pid()); err != nil {
		return out, err
	}
	if plugin != 0 {
		if out.pluginRSS, err = rssOf(plugin); err != nil {
			return out, err
		}
	}
	return out, profiled()
}

func cpuOfBoth(pid, plugin int) (own, plugins time.Duration, err error) {
	if own, err = cpuOf(pid); err == nil && plugin != 0 {
		plugins, err = cpuOf(plugin)
	}
	return own, plugins, err
}

// posts makes the steps that post a provider's messages.
func posts(s settings, conns []*conn, tag string) []step {
	steps := make([]step, len(conns))
	for i, c := range conns {
		t := newTraffic(s, tag, i)
		steps[i] = func(context.Context) error { return expect(c, t.inbound(), http.StatusOK) }
	}
	return steps
}

func expect(c *conn, request []byte, want int) error {
	status, body, err := c.do(request)
	if err == nil && status != want {
		err = fmt.Errorf("status %d, want %d: %.300s", status, want, body)
	}
	return err
}

func dialAll(ctx context.Context, s settings, address string) ([]*conn, error) {
	conns := make([]*conn, 0, s.Connections)
	for range s.Connections {
		c, err := dial(ctx, address)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.close()
	}
}
