package app

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

// listCursor is a place in a list that runs from new to old: behind the entry
// with this time and id. Entries of one time run from the highest id down.
type listCursor struct {
	ms int64
	id string
}

func (c listCursor) zero() bool { return c == listCursor{} }

func (c listCursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.ms, 10) + " " + c.id))
}

// after reports whether an entry lies behind the cursor.
func (c listCursor) after(at time.Time, id string) bool {
	if c.zero() {
		return true
	}
	if n := at.UnixMilli(); n != c.ms {
		return n < c.ms
	}
	return id < c.id
}

func parseListCursor(s string) (listCursor, error) {
	if s == "" {
		return listCursor{}, nil
	}
	bad := web.Invalid("The cursor is not one that this list gave out.",
		model.Fault{Field: "cursor", Detail: "give the next_cursor of an earlier answer unchanged, or none"})
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > 512 {
		return listCursor{}, bad
	}
	ms, id, ok := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || id == "" {
		return listCursor{}, bad
	}
	return listCursor{n, id}, nil
}
