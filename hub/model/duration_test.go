package model

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 7 * day, "24h": day, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute,
		"0s": 0, "1.5h": 90 * time.Minute, "397d": 397 * day, "1d0h1ms": day + time.Millisecond,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "7", "1w", "-1h", "-1d", "1h1d", "1.5d", "1d-1h", "99999999d", "1d 2h", "9999999h9999999h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestDurationKeepsItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(10*365*day)).Draw(t, "d"))
		back, err := ParseDuration(d.String())
		if err != nil || back != d {
			t.Fatalf("%d is written %q and read as %d, %v", d, d, back, err)
		}
		for _, form := range []struct {
			name      string
			marshal   func(any) ([]byte, error)
			unmarshal func([]byte, any) error
		}{
			{"JSON", json.Marshal, json.Unmarshal},
			{"YAML", yaml.Marshal, func(b []byte, v any) error { return yaml.Unmarshal(b, v) }},
		} {
			text, err := form.marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var got Duration
			if err := form.unmarshal(text, &got); err != nil || got != d {
				t.Fatalf("%s %s is read as %v, %v", form.name, text, got, err)
			}
		}
	})
}
