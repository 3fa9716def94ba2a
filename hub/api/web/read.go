package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
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
		if r.Context().Err() == nil {
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
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if t, _, err := mime.ParseMediaType(ct); err != nil || t != "application/json" {
			return nil, problem(errMediaType, "Send the body as application/json.")
		}
	}
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	return body, DecodeJSON(body, v)
}

// DecodeJSON decodes one JSON value strictly, naming what is wrong with it.
func DecodeJSON(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return Malformed("The body is empty; send a JSON object.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeProblem(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Malformed("The body holds more than one JSON value.")
	}
	return nil
}

// decodeProblem names the place of a fault and never quotes the body.
func decodeProblem(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Malformed(fmt.Sprintf("The body is not valid JSON at byte %d.", e.Offset))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Malformed("The JSON of the body ends too early.")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return Invalid("A field has the wrong type.", model.Fault{Field: e.Field, Detail: "give " + typeName(e.Type) + ", not " + e.Value})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Invalid("A field is unknown.", model.Fault{Field: strings.Trim(name, `"`), Detail: "there is no such field; check its spelling"})
	}
	return Invalid("The body is not what this call takes.")
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a string"
	}
}

// Limit reads the limit parameter of a list.
func Limit(r *http.Request, def, most int) (int, error) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, Invalid("A parameter is out of range.", model.Fault{Field: "limit", Detail: fmt.Sprintf("give a number from 1 to %d", most)})
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
		return 0, Invalid("A parameter is out of range.", model.Fault{Field: name, Detail: fmt.Sprintf("give a duration from 0s to %s", most)})
	}
	return d, nil
}
