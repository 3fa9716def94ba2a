package cloudwatchsink

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// service answers PutLogEvents as the service would in states that moto does
// not know, and everything else with what means that group and stream are there.
type service struct {
	*httptest.Server
	status atomic.Int64
	body   atomic.Value // string
	refuse atomic.Value // an operation that is denied

	mu   sync.Mutex
	puts []string
}

func newService(t *testing.T) *service {
	s := &service{}
	s.say(200, `{}`)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if operation == fmt.Sprint(s.refuse.Load()) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"AccessDeniedException"}`)
			return
		}
		if operation != "PutLogEvents" {
			_, _ = io.WriteString(w, `{"logGroups":[{"logGroupName":"g"}]}`)
			return
		}
		s.mu.Lock()
		s.puts = append(s.puts, string(body))
		s.mu.Unlock()
		w.WriteHeader(int(s.status.Load()))
		_, _ = io.WriteString(w, fmt.Sprint(s.body.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) say(status int, body string) {
	s.body.Store(body)
	s.status.Store(int64(status))
}

func (s *service) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.puts...)
}

func TestWhatTheServiceAnswers(t *testing.T) {
	s := newService(t)
	d := open(t, Options{Endpoint: s.URL, Group: "g"})
	for _, tc := range []struct {
		status int
		name   string
		code   model.Code
	}{
		{400, "ThrottlingException", model.Throttled},
		{503, "ServiceUnavailableException", model.Unavailable},
		{400, "ResourceNotFoundException", model.Unavailable},
		{400, "AccessDeniedException", model.Denied},
		{400, "InvalidParameterException", model.Invalid},
		{400, "DataAlreadyAcceptedException", ""},
	} {
		s.say(tc.status, fmt.Sprintf(`{"__type":%q,"message":"no"}`, tc.name))
		err := d.Write(t.Context(), []driver.Record{{Time: time.Now(), Line: []byte("x")}})
		if got := model.CodeOf(err); got != tc.code {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.code)
		}
		if tc.code == model.Denied && !strings.Contains(err.Error(), "allow logs:PutLogEvents") {
			t.Errorf("%v does not say how to mend it", err)
		}
	}
}

// TestARefusedRetentionKeepsNoHubFromStarting: the stream says that it is not
// kept as configured, and takes what is logged.
func TestARefusedRetentionKeepsNoHubFromStarting(t *testing.T) {
	s := newService(t)
	s.refuse.Store("PutRetentionPolicy")
	d := open(t, Options{Endpoint: s.URL, Group: "g", RetentionDays: 30})
	if err := d.Write(t.Context(), []driver.Record{{Time: time.Now(), Line: []byte("the first")}}); err != nil {
		t.Fatal(err)
	}
	got := s.got()
	if len(got) != 2 || !strings.Contains(got[0], "allow logs:PutRetentionPolicy") || !strings.Contains(got[0], "--retention-in-days 30") || !strings.Contains(got[1], "the first") {
		t.Errorf("the service got %q, want a warning with its mend, and the line", got)
	}
}

func TestAnAbsentGroupThatMayNotBeMadeIsNamed(t *testing.T) {
	s := newService(t)
	s.refuse.Store("CreateLogGroup")
	_, err := Open(t.Context(), awsConfig(), Options{Endpoint: s.URL, Group: "another"})
	if !model.Is(err, model.Denied) || !strings.Contains(err.Error(), "there is no log group another") || !strings.Contains(err.Error(), "deploy/aws") {
		t.Errorf("open: %v, want denied, and where the group comes from", err)
	}
}

func TestRejectedEventsAreCounted(t *testing.T) {
	s := newService(t)
	dropped := 0
	d := open(t, Options{Endpoint: s.URL, Group: "g", OnDrop: func(n int) { dropped += n }})
	s.say(200, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"expiredLogEventEndIndex":2,"tooNewLogEventStartIndex":4}}`)
	var records []driver.Record
	for range 5 {
		records = append(records, driver.Record{Time: time.Now(), Line: []byte("x")})
	}
	if err := d.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if dropped != 3 {
		t.Errorf("%d counted as dropped, want 3", dropped)
	}
	if got := s.got(); len(got) != 2 || !strings.Contains(got[1], `\"count\":3`) {
		t.Errorf("the service got %q, want a report of 3", got)
	}
}

func TestAnAbsentServiceDoesNotKeepTheHubFromStarting(t *testing.T) {
	away := httptest.NewServer(nil)
	away.Close()
	d := open(t, Options{Endpoint: away.URL, Group: "g"})
	if err := d.Write(t.Context(), []driver.Record{{Time: time.Now(), Line: []byte("x")}}); !model.Is(err, model.Unavailable) {
		t.Errorf("write: %v, want unavailable", err)
	}
	denying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException"}`)
	}))
	defer denying.Close()
	if _, err := Open(t.Context(), awsConfig(), Options{Endpoint: denying.URL, Group: "g"}); !model.Is(err, model.Denied) {
		t.Errorf("open: %v, want denied", err)
	}
}

// TestNothingIsLostWhileTheServiceThrottles puts the port over the driver.
func TestNothingIsLostWhileTheServiceThrottles(t *testing.T) {
	s := newService(t)
	d := open(t, Options{Endpoint: s.URL, Group: "g"})
	s.say(400, `{"__type":"ThrottlingException"}`)
	dropped := atomic.Int64{}
	sink := logsink.New(d, &logsink.Options{Patience: time.Minute, OnDrop: func(n int) { dropped.Add(int64(n)) }})
	sink.WriteLine(time.Now(), []byte(`{"n":1}`))
	deadline := time.After(30 * time.Second)
	for len(s.got()) < 3 {
		select {
		case <-deadline:
			t.Fatal("it was not tried three times in 30 s")
		case <-time.After(time.Millisecond):
		}
	}
	s.say(200, `{}`)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.got(); !strings.Contains(got[len(got)-1], `{\"n\":1}`) || dropped.Load() != 0 {
		t.Errorf("the service got %q at last, %d were dropped", got[len(got)-1], dropped.Load())
	}
}
