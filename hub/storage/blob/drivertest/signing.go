package drivertest

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
)

// testSigning asks a driver that says it signs to do so, and one that says it
// does not to say so again. What a store makes of a signature that was changed
// is in the tests of that store.
func testSigning(t *testing.T, p Place) {
	s := port(t, p)
	h := s.For(acme)
	content := random(1000)
	key := put(t, h, content)
	as := blob.As{ContentType: "image/png", FileName: "a \"b\"\r\nc.png"}
	if !s.Traits().Signs {
		_, err := h.SignGet(t.Context(), key, time.Minute, as)
		wantCode(t, "sign", err, model.Invalid)
		return
	}
	for _, ttl := range []time.Duration{0, -1, time.Millisecond, blob.MaxTTL + 1} {
		_, err := h.SignGet(t.Context(), key, ttl, as)
		wantCode(t, "a strange time to live", err, model.Invalid)
	}
	_, err := h.SignGet(t.Context(), key, time.Minute, blob.As{ContentType: "a\r\nb"})
	wantCode(t, "a strange content type", err, model.Invalid)
	// The blob ends after an hour: the URL does not outlive it.
	for ttl, want := range map[time.Duration]time.Duration{
		15 * time.Minute:          15 * time.Minute,
		1500 * time.Millisecond:   time.Second,
		24 * time.Hour:            time.Hour,
		time.Hour + time.Second/2: time.Hour,
	} {
		signed, err := h.SignGet(t.Context(), key, ttl, as)
		if err != nil || !signed.Expires.Equal(in(want)) {
			t.Errorf("sign for %s: until %s, %v; want %s", ttl, signed.Expires, err, in(want))
		}
	}
	signed, err := h.SignGet(t.Context(), key, 15*time.Minute, as)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || string(got) != string(content) {
		t.Errorf("get: status %d, %d bytes, %v", res.StatusCode, len(got), err)
	}
	for name, want := range map[string]string{
		"Content-Type": as.ContentType, "Content-Disposition": blob.Disposition(as.FileName),
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
