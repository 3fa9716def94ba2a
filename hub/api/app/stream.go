package app

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// stream writes server-sent events. Every write has a deadline of its own: a
// reader that does not take its bytes in time is closed.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	wrote time.Time
	// patience is how long one write may take.
	patience time.Duration
}

func (s *stream) event(id string, ev model.Event) error {
	data, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	buf := make([]byte, 0, len(data)+len(id)+64)
	buf = append(buf, "id: "...)
	buf = append(buf, id...)
	buf = append(buf, "\nevent: "...)
	buf = append(buf, ev.Type...)
	buf = append(buf, "\ndata: "...)
	buf = append(buf, data...)
	return s.write(append(buf, "\n\n"...))
}

// comment writes a line that readers ignore and proxies see.
func (s *stream) comment(text string) error {
	if err := s.write([]byte(": " + text + "\n\n")); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) write(b []byte) error {
	s.wrote = time.Now()
	if err := s.rc.SetWriteDeadline(s.wrote.Add(s.patience)); err != nil {
		return err
	}
	_, err := s.w.Write(b)
	return err
}

func (s *stream) flush() error { return s.rc.Flush() }

// end lifts the deadline of the last write: the connection may serve others.
func (s *stream) end() { _ = s.rc.SetWriteDeadline(time.Time{}) }

func (s *stream) beatDue(every time.Duration) bool { return time.Since(s.wrote) >= every }
