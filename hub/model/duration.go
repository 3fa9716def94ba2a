package model

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written with days: 7d, 24h, 1d12h. A day
// is 24 hours. Its text form, in JSON and YAML alike, is what String returns.
type Duration time.Duration

const day = 24 * time.Hour

var errDuration = errors.New("not a duration; write for example 15m, 24h, 7d or 1d12h")

// ParseDuration reads what String writes, and everything time.ParseDuration
// reads, with whole days in front. A negative duration is an error.
func ParseDuration(s string) (Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "", s
	}
	var total time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errDuration
		}
		total = time.Duration(n) * day
		if rest == "" {
			return Duration(total), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < total {
		return 0, errDuration
	}
	return Duration(total + d), nil
}

// Std returns the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the duration with days, and without parts that are zero.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}} {
		if n := rest / unit.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteString(unit.name)
			rest -= n * unit.size
		}
	}
	if rest != 0 {
		b.WriteString(rest.String())
	}
	return b.String()
}

// MarshalText returns what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Days is the number of whole days.
func (d Duration) Days() int32 { return int32(d / Duration(day)) }
