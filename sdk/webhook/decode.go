package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest, and maxPairs how many pairs a form may
// have: several times what any provider sends, and far from what would hurt.
const (
	maxDepth = 32
	maxPairs = 1000
)

// DecodeOptions loosen a decoder.
type DecodeOptions struct {
	// AllowUnknown ignores what the target has no field for. Providers add
	// fields as they please, so most connectors want it.
	AllowUnknown bool
}

// DecodeJSON decodes one JSON value that fills the body. It refuses duplicate
// keys, nesting deeper than 32, bytes that are not UTF-8, anything behind the
// value and, without AllowUnknown, unknown fields. Its errors do not quote the
// body. A nil opts allows nothing.
func DecodeJSON(body []byte, into any, opts *DecodeOptions) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not UTF-8")
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if opts == nil || !opts.AllowUnknown {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(into); err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) {
			return fmt.Errorf("field %q has the wrong type", mismatch.Field)
		}
		return errors.New("the body does not have the expected fields")
	}
	return nil
}

// checkJSON walks the tokens of a body. The decoder alone would accept the
// last of two equal keys, and any depth up to 10,000.
func checkJSON(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var open []*object
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return errors.New("the body is empty")
		}
		if err != nil {
			return errors.New("the body is not JSON")
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
		} else {
			if len(open) > 0 {
				isKey, err := open[len(open)-1].next(token)
				if err != nil {
					return err
				}
				if isKey {
					continue
				}
			}
			if ok {
				if len(open) == maxDepth {
					return fmt.Errorf("the body nests deeper than %d", maxDepth)
				}
				open = append(open, newObject(delim))
			}
		}
		if len(open) == 0 {
			break
		}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the JSON value")
	}
	return nil
}

// object is a JSON object, or array, that is being walked.
type object struct {
	keys  map[string]struct{} // nil for an array
	inKey bool                // the next token is a key
}

func newObject(delim json.Delim) *object {
	if delim == '[' {
		return &object{}
	}
	return &object{keys: map[string]struct{}{}, inKey: true}
}

// next takes a token that is no closing bracket, and says whether it is a key.
func (o *object) next(token json.Token) (isKey bool, err error) {
	if o.keys == nil {
		return false, nil
	}
	isKey, o.inKey = o.inKey, !o.inKey
	if !isKey {
		return false, nil
	}
	key, ok := token.(string)
	if !ok {
		return false, errors.New("the body is not JSON")
	}
	if _, twice := o.keys[key]; twice {
		return false, errors.New("the body has the same key twice")
	}
	o.keys[key] = struct{}{}
	return true, nil
}

// DecodeForm decodes an application/x-www-form-urlencoded body. It refuses
// duplicate keys, broken escapes, text that is not UTF-8 and more than 1,000
// pairs. Its errors do not quote the body.
func DecodeForm(body []byte) (url.Values, error) {
	if len(body) == 0 {
		return nil, errors.New("the body is empty")
	}
	if bytes.Count(body, []byte("&")) >= maxPairs {
		return nil, fmt.Errorf("the body has more than %d pairs", maxPairs)
	}
	form := url.Values{}
	for pair := range strings.SplitSeq(string(body), "&") {
		rawKey, rawValue, ok := strings.Cut(pair, "=")
		key, keyErr := url.QueryUnescape(rawKey)
		value, valueErr := url.QueryUnescape(rawValue)
		switch {
		case !ok || key == "" || keyErr != nil || valueErr != nil || strings.Contains(pair, ";"):
			return nil, errors.New("the body is not a form")
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			return nil, errors.New("the body is not UTF-8")
		case form.Has(key):
			return nil, errors.New("the body has the same key twice")
		}
		form.Set(key, value)
	}
	return form, nil
}
