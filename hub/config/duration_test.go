package config

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/channelhub/channelhub/hub/model"
)

// TestSchemaTakesOnlyDurations proves that whatever passes the pattern of the
// schema can be decoded, so that no load ends without a place to mend.
func TestSchemaTakesOnlyDurations(t *testing.T) {
	pattern := regexp.MustCompile(durationPattern)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(durationPattern).Draw(t, "text")
		if _, err := model.ParseDuration(text); err != nil && text != "" {
			t.Fatalf("%q passes the schema and is no duration", text)
		}
		for _, bad := range []string{"1h1d", "9999999999h", "1e3s"} {
			if pattern.MatchString(bad) {
				t.Fatalf("%q passes the schema", bad)
			}
		}
	})
}
