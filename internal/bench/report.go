package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxSpread is how far the baseline's rounds may lie apart. Beyond it, what
// else ran on the machine weighs more than what is measured.
const maxSpread = 1.5

// report is what a run found. Its JSON is the format of the output file.
type report struct {
	At       time.Time `json:"at"`
	Machine  machine   `json:"machine"`
	Settings settings  `json:"settings"`
	// Judged is false when the baseline was too noisy: then no aim is.
	Judged   bool    `json:"judged"`
	Bare     figures `json:"bare"`
	Inbound  figures `json:"inbound"`
	Outbound figures `json:"outbound"`

	ExecToReady series         `json:"exec_to_ready_ms"`
	IdleHub     series         `json:"idle_hub_rss_mib"`
	IdlePlugin  series         `json:"idle_plugin_rss_mib"`
	Units       units          `json:"write_units"`
	S3          objectRequests `json:"s3_requests_per_attachment"`
	Aims        []aim          `json:"aims"`
}

// figures are those of one contender, a value for each round.
type figures struct {
	Rate      series `json:"messages_per_second"`
	Ratio     series `json:"ratio_to_bare,omitempty"` // to the baseline of the same round
	P50       series `json:"p50_ms"`
	P99       series `json:"p99_ms"`
	CPU       series `json:"cpu_us_per_message"`
	PluginCPU series `json:"plugin_cpu_us_per_message,omitempty"`
	Allocs    series `json:"allocs_per_message"`
	Bytes     series `json:"alloc_bytes_per_message"`
	RSS       series `json:"rss_mib"`
	PluginRSS series `json:"plugin_rss_mib,omitempty"`
}

func (f *figures) add(s sample) {
	f.Rate = append(f.Rate, s.perSecond())
	f.P50 = append(f.P50, ms(s.p50))
	f.P99 = append(f.P99, ms(s.p99))
	f.CPU = append(f.CPU, us(s.cpu))
	f.Allocs = append(f.Allocs, s.allocs)
	f.Bytes = append(f.Bytes, s.bytes)
	f.RSS = append(f.RSS, s.rss)
	if s.pluginRSS > 0 {
		f.PluginCPU = append(f.PluginCPU, us(s.pluginCPU))
		f.PluginRSS = append(f.PluginRSS, s.pluginRSS)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// series is a figure of each round.
type series []float64

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is how many times the smallest the largest is.
func (s series) spread() float64 {
	if len(s) == 0 || slices.Min(s) <= 0 {
		return 0
	}
	return slices.Max(s) / slices.Min(s)
}

// MarshalJSON writes the rounds and their median.
func (s series) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Median float64   `json:"median"`
		Rounds []float64 `json:"rounds"`
	}{s.median(), s})
}

// aim is a figure with the bound that the design sets it.
type aim struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bound float64 `json:"bound"`
	Least bool    `json:"least"` // the bound is the least it should be, not the most
	Met   bool    `json:"met"`
}

// aims judges the medians.
func (r *report) aims() []aim {
	all := []aim{
		{Name: "inbound, ratio to bare", Value: r.Inbound.Ratio.median(), Bound: 0.45, Least: true},
		{Name: "idle plugin, resident MiB", Value: r.IdlePlugin.median(), Bound: 20},
		{Name: "exec to ready, ms", Value: r.ExecToReady.median(), Bound: 200},
		{Name: "write units, inbound", Value: r.Units.Inbound, Bound: 3},
		{Name: "write units, outbound on an active lane", Value: r.Units.OutboundLive, Bound: 7},
		{Name: "write units, outbound on an idle lane", Value: r.Units.OutboundIdle, Bound: 9},
		{Name: "write units, later status", Value: r.Units.Receipt, Bound: 2},
		{Name: "requests to the key service, 1,000 messages", Value: r.Units.Requests.Keys, Bound: 1},
	}
	for i, a := range all {
		all[i].Met = a.Value <= a.Bound
		if a.Least {
			all[i].Met = a.Value >= a.Bound
		}
	}
	return all
}

// measure runs the rounds. Progress goes to talk.
func measure(ctx context.Context, s settings, talk io.Writer) (*report, error) {
	r := &report{At: time.Now().UTC().Truncate(time.Second), Machine: describe(s.work), Settings: s}
	lines := []struct {
		name string
		run  contender
		to   *figures
	}{{"bare", runBare, &r.Bare}, {"inbound", runInbound, &r.Inbound}, {"outbound", runOutbound, &r.Outbound}}
	for round := range s.Rounds {
		for i := range lines {
			// Rotated, so that nobody always runs behind the same neighbour.
			line := lines[(i+round)%len(lines)]
			got, err := line.run(ctx, s, fmt.Sprintf("%s-%d", line.name, round+1))
			if err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", round+1, line.name, err)
			}
			line.to.add(got)
			if got.startup > 0 {
				r.ExecToReady = append(r.ExecToReady, ms(got.startup))
				r.IdleHub = append(r.IdleHub, got.idle)
				r.IdlePlugin = append(r.IdlePlugin, got.pluginIdle)
			}
			_, _ = fmt.Fprintf(talk, "round %d of %d: %-8s %8.0f/s\n", round+1, s.Rounds, line.name, got.perSecond())
		}
		for _, f := range []*figures{&r.Inbound, &r.Outbound} {
			f.Ratio = append(f.Ratio, f.Rate[round]/r.Bare.Rate[round])
		}
	}
	_, _ = fmt.Fprintln(talk, "counting write units")
	var err error
	if r.Units, err = countUnits(ctx, s); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintln(talk, "counting requests to S3")
	r.S3 = countObjects(ctx, s, talk)
	if r.Judged = r.Bare.Rate.spread() <= maxSpread; r.Judged {
		r.Aims = r.aims()
	}
	return r, nil
}

// save writes the report, whole or not at all.
func (r *report) save(file string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(file+".new", append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
