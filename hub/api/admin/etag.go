package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

// etagOf names the state of what can be edited: the same parts, the same tag.
func etagOf(parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%v\x00", p) // a hash takes everything
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:12]) + `"`
}

// ifMatch refuses a request that was made for another state than the one there
// is now. A request without If-Match stands for any state: every act names the
// state it leads to.
func ifMatch(r *http.Request, etag string) error {
	values := r.Header.Values("If-Match")
	for _, v := range values {
		for tag := range strings.SplitSeq(v, ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
				return nil
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	return model.Errorf(model.Precondition, "change", "It has changed since you read it: read it again.")
}
