package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print shows the medians of the rounds as tables.
func (r *report) print(w io.Writer) error {
	var b strings.Builder
	s := r.Settings
	fmt.Fprintf(&b, "%s\n", r.Machine)
	fmt.Fprintf(&b, "medians of %d interleaved rounds of %gs, %d connections, %d contacts, %d B bodies with %d B of text\n\n",
		s.Rounds, s.Seconds, s.Connections, s.Contacts, s.Body, s.Text)

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(t, "%v\t", c)
		}
		_, _ = fmt.Fprintln(t)
	}
	row("", "messages/s", "ratio", "ratios", "p50 ms", "p99 ms", "CPU µs", "plugin µs", "allocs", "KiB", "RSS MiB", "plugin MiB")
	for _, f := range []struct {
		name string
		*figures
	}{{"bare", &r.Bare}, {"inbound", &r.Inbound}, {"outbound", &r.Outbound}} {
		row(f.name, number(f.Rate, "%.0f"), number(f.Ratio, "%.2f"), span(f.Ratio), number(f.P50, "%.1f"), number(f.P99, "%.1f"),
			number(f.CPU, "%.0f"), number(f.PluginCPU, "%.0f"), number(f.Allocs, "%.0f"), fmt.Sprintf("%.1f", f.Bytes.median()/1024),
			number(f.RSS, "%.0f"), number(f.PluginRSS, "%.0f"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nCPU, allocations and KiB allocated are those of one message. The baseline's rounds: %s messages/s.\n", span(r.Bare.Rate))
	fmt.Fprintf(&b, "exec to ready %.0f ms (%s); idle: hub %.0f MiB, plugin %.1f MiB\n",
		r.ExecToReady.median(), span(r.ExecToReady), r.IdleHub.median(), r.IdlePlugin.median())
	u := r.Units
	fmt.Fprintf(&b, "write units: first contact %.2f, inbound %.2f, outbound %.2f on an active lane and %.2f on an idle one, later status %.2f\n",
		u.FirstContact, u.Inbound, u.OutboundLive, u.OutboundIdle, u.Receipt)
	fmt.Fprintf(&b, "requests to the key service per 1,000 messages: %.0f\n", u.Requests.Keys)
	fmt.Fprintf(&b, "requests to S3 per attachment: %s\n", r.S3)
	if len(r.Aims) > 0 {
		fmt.Fprintln(&b)
	}
	for _, a := range r.Aims {
		verdict, sign := "missed", "≤"
		if a.Met {
			verdict = "met"
		}
		if a.Least {
			sign = "≥"
		}
		fmt.Fprintf(&b, "  %-6s  %s: %.2f, aim %s %g\n", verdict, a.Name, a.Value, sign, a.Bound)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func number(s series, form string) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf(form, s.median())
}

// span shows the smallest and the largest of a series.
func span(s series) string {
	if len(s) == 0 {
		return "-"
	}
	lo, hi := s[0], s[0]
	for _, v := range s {
		lo, hi = min(lo, v), max(hi, v)
	}
	if hi < 10 {
		return fmt.Sprintf("%.2f–%.2f", lo, hi)
	}
	return fmt.Sprintf("%.0f–%.0f", lo, hi)
}
