package web

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// ReadBody reads a body of at most limit bytes, as bytes. A body that does not
// arrive in the time that Options set is refused.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, problem(errMediaType, "Send the body without a Content-Encoding.")
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	// A writer that knows no deadlines is not a connection.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(infoOf(r.Context()).bodyTimeout))
	// What a caller says of the length is believed as far as it costs little.
	body := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+min(max(r.ContentLength, 0), 64<<10)))
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(limit)
		}
		// A time-out of the connection ends the context as well.
		if r.Context().Err() == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, Malformed("The body did not arrive whole and in time.")
		}
		return nil, Malformed("The request was given up.")
	}
	// The deadline is the body's alone: the answer may take longer, and the
	// server sets none of its own.
	_ = rc.SetReadDeadline(time.Time{})
	return body.Bytes(), nil
}

// Traceparent is the trace that the caller goes on with, of the form the W3C
// gives it; empty for anything else, which would only be carried around.
func Traceparent(r *http.Request) string {
	s := r.Header.Get("Traceparent")
	if !traceparent.MatchString(s) || strings.HasPrefix(s, "ff") {
		return ""
	}
	return s
}

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func tooLarge(limit int64) error {
	return &model.Error{Code: model.TooLarge, Detail: fmt.Sprintf("The body may have at most %d bytes.", limit)}
}

// ReadJSON reads a JSON body into v: one object, no field that v does not
// have. It returns the body as it came.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) ([]byte, error) {
	if err := jsonOnly(r); err != nil {
		return nil, err
	}
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	infoOf(r.Context()).jsonBody = true
	return body, DecodeJSON(body, v)
}

// ReadNothing reads the body of a call that takes none: nothing, or an object
// that is empty.
func ReadNothing(w http.ResponseWriter, r *http.Request) error {
	body, err := ReadBody(w, r, 1<<10)
	if err != nil || len(body) == 0 {
		return err // whatever the nothing is called
	}
	if err := jsonOnly(r); err != nil {
		return err
	}
	infoOf(r.Context()).jsonBody = true
	return DecodeJSON(body, &struct{}{})
}

// jsonOnly refuses a body that is called something else than JSON.
func jsonOnly(r *http.Request) error {
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	if t, _, err := mime.ParseMediaType(ct); err != nil || t != "application/json" {
		return problem(errMediaType, "Send the body as application/json.")
	}
	return nil
}

// Limit reads the limit parameter of a list.
func Limit(r *http.Request, def, most int) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, Invalid("A parameter is out of range.", InQuery("limit", fmt.Sprintf("give a number from 1 to %d", most)))
	}
	return n, nil
}

// Duration reads a parameter such as "30s", or a whole number of seconds.
func Duration(r *http.Request, name string, def, most time.Duration) (time.Duration, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return def, nil
	}
	d, err := time.ParseDuration(s)
	if n, nerr := strconv.Atoi(s); nerr == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 || d > most {
		return 0, Invalid("A parameter is out of range.", InQuery(name, fmt.Sprintf("give a duration from 0s to %s", most)))
	}
	return d, nil
}
