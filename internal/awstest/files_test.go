package awstest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// TestEverythingOnAWS runs one hub with everything on AWS: through the story
// of TestStoryOnEmbedded, with large files, and with one service after the
// other away, while a contact is being erased and an account and a client are
// being removed. In the end every call that it made is held against the
// policies. What waits, waits side by side.
func TestEverythingOnAWS(t *testing.T) {
	h := newOnAWS(t)
	chat := story(t, h.Hub, h.s3.Endpoint)
	t.Run("files", func(t *testing.T) { files(t, h.in(t)) })
	chat.asksToBeForgotten()
	orderRemovals(t, h)
	t.Run("away", func(t *testing.T) {
		t.Run("buckets", func(t *testing.T) {
			t.Parallel()
			bucketsAway(t, h)
		})
		t.Run("log", func(t *testing.T) {
			t.Parallel()
			logAway(t, h)
		})
	})
	t.Run("removed", func(t *testing.T) { wantRemoved(t, h.in(t)) })
	t.Run("erased", func(t *testing.T) { wantErased(t, h.in(t), chat) })
	h.Stop()
	t.Run("operations", func(t *testing.T) { operations(t, h) })
}

// files is an attachment's way over the bucket: uploaded by a CSR, stored under
// the client's key, and read through a link and a signed URL that no longer
// works when it was changed or its time is over.
func files(t *testing.T, h *onAWS) {
	t.Helper()
	a := h.upload("price.txt", "the price list")
	var up hubtest.Attachment
	if a.Status != http.StatusCreated {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	decode(t, a, &up)
	if up.State != "ready" || up.Size != 14 || !strings.HasPrefix(up.URL, h.Public+"/a/") {
		t.Errorf("uploaded: %+v", up)
	}
	at := fetch(t, http.DefaultClient, up.URL)
	if at.Status != http.StatusOK || at.Body != "the price list" || at.URL.Host == strings.TrimPrefix(h.Public, "http://") {
		t.Errorf("the link led to %s: %d %q", at.URL.Host, at.Status, at.Body)
	}
	if d := at.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") {
		t.Errorf("Content-Disposition is %q", d)
	}
	signed := at.URL.String()
	if at := fetch(t, http.DefaultClient, strings.Replace(signed, "X-Amz-Expires=", "X-Amz-Expires=9", 1)); at.Status != http.StatusForbidden {
		t.Errorf("a changed URL is answered %d", at.Status)
	}
	h.s3.SetClock(t, time.Now().Add(16*time.Minute))
	if at := fetch(t, http.DefaultClient, signed); at.Status != http.StatusForbidden {
		t.Errorf("a URL is answered %d after 16 minutes", at.Status)
	}
	h.s3.SetClock(t, time.Time{})
	for _, r := range h.s3.Requests(t) {
		switch {
		case r.Method == http.MethodPut && strings.Count(r.Path, "/") > 1: // not the bucket's own
			if r.KeyID != h.fleet.key || !r.BucketKey || r.Owner != h.s3.Account {
				t.Errorf("stored with %+v", r)
			}
		case strings.Contains(r.Path, "price"):
			t.Errorf("the name of the file stands in %s", r.Path)
		}
	}
	if a := h.upload("large.txt", large); a.Status != http.StatusCreated {
		t.Errorf("an upload in parts: %d %s", a.Status, a.Body)
	}
	breakOff(t, h)
	if a := h.Call(hubtest.Other, http.MethodPost, "/v1/attachments?name=a.txt", "a text", "Content-Type", "application/octet-stream"); a.Status/100 == 2 {
		t.Errorf("a client without a bucket stored a file: %d %s", a.Status, a.Body)
	}
}

// large is a text that is stored in parts.
var large = strings.Repeat("0123456789abcde\n", 1<<20) // 16 MiB

// breakOff uploads a large file whose sender is gone before its end: nothing
// of it stays.
func breakOff(t *testing.T, h *onAWS) {
	t.Helper()
	before := len(objectsOf(t, h.s3, h.buckets["acme"]))
	req := h.Request(t.Context(), hubtest.Desk, http.MethodPost, "/v1/attachments?name=broken.txt", nil)
	req.Body = io.NopCloser(&breaks{strings.NewReader(large[:12<<20])})
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("an upload that broke off is answered %d", resp.StatusCode)
	}
	h.Until("the parts to be given up", func() error {
		for _, r := range h.s3.Requests(t) {
			if r.Method == http.MethodDelete && strings.Contains(r.Query, "uploadId=") {
				return nil
			}
		}
		return errors.New("no upload was given up")
	})
	if after := len(objectsOf(t, h.s3, h.buckets["acme"])); after != before {
		t.Errorf("%d objects after an upload that broke off, %d before", after, before)
	}
}

// breaks is a source that fails at its end.
type breaks struct{ r *strings.Reader }

func (b *breaks) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil {
		err = errors.New("the source broke")
	}
	return n, err
}

// goesOn takes the n-th message of an outage both ways.
func (h *onAWS) goesOn(outage string, n int) {
	h.Say("ada", fmt.Sprintf("in-%s-%d", outage, n), "goes on")
	h.Await(h.Send("ada", "as does this").ID, "sent")
}

// bucketsAway lets S3 refuse, throttle and hang under a hub at work:
// messages go on, an upload is refused and can be repeated, /readyz names the
// files, and all is well again without a restart.
func bucketsAway(t *testing.T, h *onAWS) {
	t.Helper()
	for _, fault := range []string{awslocal.S3Refuse, awslocal.S3Slow, awslocal.S3Hang, awslocal.S3Deny} {
		t.Run(fault, func(t *testing.T) {
			h := h.in(t)
			h.s3.Fail(t, fault, "", -1)
			away := newOutage(t)
			goOn := func(n int) {
				if a := h.upload("during.txt", "during the outage"); a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
					t.Errorf("an upload is answered %d %s", a.Status, a.Body)
				}
				h.goesOn(fault, n)
			}
			goOn(0)
			h.Until("/readyz to name the files", func() error {
				if got := stateOf(t, h.Hub, "blob"); got != "degraded" {
					return fmt.Errorf("it says %s", got)
				}
				return nil
			})
			if a := h.Call("", http.MethodGet, "/readyz", nil); a.Status != http.StatusOK {
				t.Errorf("/readyz is %d although messages go on", a.Status)
			}
			away.last(goOn)
			h.s3.Fail(t, "", "", 0)
			away.over(h.Hub, "blob")
			if a := h.upload("after.txt", "after the outage"); a.Status != http.StatusCreated {
				t.Errorf("an upload is answered %d %s", a.Status, a.Body)
			}
		})
	}
}

// logAway lets CloudWatch Logs refuse, throttle and hang under a hub at
// work: messages go on, /readyz names the log, what could not be written is
// counted, and all is well again without a restart.
func logAway(t *testing.T, h *onAWS) {
	t.Helper()
	for name, fault := range map[string]awslocal.Fault{
		"refusing": awslocal.Deny, "throttling": awslocal.Throttle, "hanging": awslocal.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			dropped, told := h.dropped(t), h.toldDropped(t)
			h.logs.Set(fault)
			away := newOutage(t)
			// Something to log: what breaks a limit of the format.
			long := map[string]string{"id": name, "from": "ada", "text": strings.Repeat("long ", 20_000)}
			if a := h.Hook(long); a.Status != http.StatusOK {
				t.Fatalf("webhook: %d %s", a.Status, a.Body)
			}
			h.goesOn(name, 0)
			h.Until("/readyz to name the log", func() error {
				if got := stateOf(t, h.Hub, "log"); got != "degraded" {
					return fmt.Errorf("it says %s", got)
				}
				return nil
			})
			if a := h.Call("", http.MethodGet, "/readyz", nil); a.Status != http.StatusOK {
				t.Errorf("/readyz is %d although messages go on", a.Status)
			}
			away.last(func(n int) { h.goesOn(name, n) })
			h.logs.Set(awslocal.Pass)
			long["id"] += " again"
			h.Hook(long)
			away.over(h.Hub, "log")
			h.wantDropsTold(t, fault == awslocal.Deny, dropped, told)
		})
	}
}

// wantDropsTold demands that lines are given up where trying again is of no
// use and nowhere else, and that each is counted: in the metric, and by a line
// in its place.
func (h *onAWS) wantDropsTold(t *testing.T, lost bool, dropped, told int) {
	t.Helper()
	now := h.dropped(t)
	if (now > dropped) != lost {
		t.Errorf("%d lines given up, %d before", now, dropped)
	}
	h.Until("the log to say what was given up", func() error {
		if said := h.toldDropped(t) - told; said != h.dropped(t)-dropped {
			return fmt.Errorf("it says %d of %d", said, h.dropped(t)-dropped)
		}
		return nil
	})
}

// dropped is how many lines of the log the hub says it gave up.
func (h *onAWS) dropped(t *testing.T) int {
	t.Helper()
	admin := *h.Hub
	admin.Public = h.Admin
	a := admin.Call(hubtest.Operator, http.MethodGet, "/metrics", nil)
	n := 0
	if found := dropMetric.FindSubmatch(a.Body); found != nil {
		n = number(t, found[1])
	} else {
		t.Fatalf("/metrics does not count lines given up: %d", a.Status)
	}
	return n
}

// toldDropped is the same by the lines of the log itself.
func (h *onAWS) toldDropped(t *testing.T) (n int) {
	t.Helper()
	for _, found := range dropLine.FindAllSubmatch(h.fleet.streams(t), -1) {
		n += number(t, found[1])
	}
	return n
}

var (
	dropMetric = regexp.MustCompile(`(?m)^hub_log_records_dropped_total(?:\{[^}]*\})? (\d+)$`)
	dropLine   = regexp.MustCompile(`(?m)"log records dropped".*?"count":(\d+)`)
)

func number(t *testing.T, digits []byte) int {
	t.Helper()
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
