package table

import (
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// MaxLimit is the most rows that one Query returns.
const MaxLimit = 1000

// validateOps refuses, on every driver alike, what some driver could not do.
func validateOps(ops []driver.Op) error {
	if len(ops) == 0 {
		return invalid("commit", "a commit has at least one op")
	}
	if len(ops) > driver.MaxCommitOps {
		return invalid("commit", "%d ops are over the limit of %d", len(ops), driver.MaxCommitOps)
	}
	total := 0
	seen := make(map[driver.Key]int, len(ops))
	for i, o := range ops {
		if fault := keyFault(o.Key); fault != "" {
			return invalid("commit", "op %d: %s", i, fault)
		}
		if n := len(o.Value); n > driver.MaxValueBytes {
			return invalid("commit", "op %d: a value of %d bytes is over the limit of %d", i, n, driver.MaxValueBytes)
		}
		if !o.Expires.IsZero() {
			if o.Kind != driver.OpPut {
				return invalid("commit", "op %d: only a put can have an expiry", i)
			}
			// Stores keep the expiry as seconds of the Unix epoch, and the
			// sweep's index orders them as unsigned numbers.
			if o.Expires.Unix() <= 0 {
				return invalid("commit", "op %d: an expiry lies after the start of 1970", i)
			}
		}
		if first, twice := seen[o.Key]; twice {
			return invalid("commit", "op %d: names the same row as op %d", i, first)
		}
		seen[o.Key] = i
		total += len(o.PK) + len(o.SK) + len(o.Value)
		if total > driver.MaxCommitBytes {
			return invalid("commit", "op %d: takes the commit over the limit of %d bytes", i, driver.MaxCommitBytes)
		}
	}
	return nil
}

// keyFault says what is wrong with a full key. The text never holds the key.
func keyFault(k driver.Key) string {
	switch {
	case len(k.PK) > driver.MaxKeyBytes:
		return "partition key is over the limit of 512 bytes, its root included"
	case len(k.SK) > driver.MaxKeyBytes:
		return "sort key is over the limit of 512 bytes"
	case k.SK == "":
		return "sort key is empty"
	}
	return ""
}

// invalid returns an error for a request that can never succeed.
func invalid(op, format string, args ...any) error {
	return model.Errorf(model.Invalid, op, format, args...)
}
