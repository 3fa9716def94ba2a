package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// Sample is what a counter or a gauge reads now.
type Sample struct {
	Name   string            `json:"name" doc:"The metric's name, as /metrics has it."`
	Labels map[string]string `json:"labels,omitempty" doc:"Its labels."`
	Value  float64           `json:"value" doc:"What it reads."`
}

// Snapshot reads the hub's own counters and gauges, by name. Histograms, and
// what is told of the Go runtime, are in the metrics handler's answer alone.
func (m *Metrics) Snapshot() ([]Sample, error) {
	if m == nil {
		return nil, nil
	}
	families, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	own := Names()
	var out []Sample
	for _, family := range families {
		if !slices.Contains(own, family.GetName()) {
			continue
		}
		for _, metric := range family.GetMetric() {
			s := Sample{Name: family.GetName()}
			switch {
			case metric.GetCounter() != nil:
				s.Value = metric.GetCounter().GetValue()
			case metric.GetGauge() != nil:
				s.Value = metric.GetGauge().GetValue()
			default:
				continue
			}
			for _, label := range metric.GetLabel() {
				if s.Labels == nil {
					s.Labels = map[string]string{}
				}
				s.Labels[label.GetName()] = label.GetValue()
			}
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Sample) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
