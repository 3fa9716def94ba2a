package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// decodeSettings fills a settings struct, and returns all that is wrong with
// what it was given. egress lists the hosts of all settings of format "url".
func decodeSettings(into reflect.Value, list []setting, config []byte, secrets map[string][]string) (faults []Fault, egress []string) {
	given := map[string]json.RawMessage{}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &given); err != nil {
			return []Fault{{Field: "config", Detail: "must be a JSON object"}}, nil
		}
	}
	var known, hidden []string
	for i := range list {
		s, field := &list[i], into.Field(list[i].index)
		if s.secret() {
			hidden = append(hidden, s.name)
			if detail := s.fillSecret(field, secrets[s.name]); detail != "" {
				faults = append(faults, Fault{"secrets." + s.name, detail})
			}
			continue
		}
		known = append(known, s.name)
		raw, ok := given[s.name]
		switch {
		case ok:
		case s.required:
			faults = append(faults, Fault{"config." + s.name, "is required"})
			continue
		case s.fallback == nil:
			continue
		default:
			raw = s.fallback
		}
		if detail := s.fill(field, raw); detail != "" {
			faults = append(faults, Fault{"config." + s.name, detail})
		} else if s.format == "url" {
			egress = append(egress, hostOf(field.String())...)
		}
	}
	faults = append(faults, unknown("config.", given, known)...)
	faults = append(faults, unknown("secrets.", secrets, hidden)...)
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
	return faults, egress
}

// unknown finds names that no field has.
func unknown[T any](prefix string, given map[string]T, known []string) []Fault {
	slices.Sort(known)
	var faults []Fault
	for name := range given {
		if !slices.Contains(known, name) {
			detail := "is no setting of this connector; it has " + strings.Join(known, ", ")
			if len(known) == 0 {
				detail = "is no setting of this connector; it has none"
			}
			faults = append(faults, Fault{prefix + name, detail})
		}
	}
	return faults
}

// fill sets a field from JSON, and says what is wrong with it.
func (s *setting) fill(field reflect.Value, raw json.RawMessage) string {
	if s.typ == durationType {
		var written string
		if err := json.Unmarshal(raw, &written); err != nil {
			return `must be a duration such as "5s"`
		}
		d, err := time.ParseDuration(written)
		if err != nil || d < 0 {
			return `must be a duration such as "5s"`
		}
		field.SetInt(int64(d))
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) || decoder.Decode(field.Addr().Interface()) != nil {
		return "must be " + inWords(s.typ)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return "must be " + inWords(s.typ)
	}
	if s.typ.Kind() != reflect.String {
		return ""
	}
	value := field.String()
	switch {
	case s.required && value == "":
		return "must not be empty"
	case len(s.enum) > 0 && !slices.Contains(s.enum, value):
		return "must be one of " + strings.Join(s.enum, ", ")
	case s.format == "url" && value != "" && !absoluteURL(value):
		return "must be an absolute http or https URL without a user"
	}
	return ""
}

func (s *setting) fillSecret(field reflect.Value, values []string) string {
	if slices.Contains(values, "") {
		return "must not be empty"
	}
	if len(values) == 0 {
		if s.required {
			return "is required"
		}
		return ""
	}
	if s.typ == secretType {
		field.Set(reflect.ValueOf(NewSecret(values[0])))
	} else {
		field.Set(reflect.ValueOf(NewSecrets(values...)))
	}
	return ""
}

func inWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list, each item " + inWords(t.Elem())
	case reflect.Map:
		return "an object, each value " + inWords(t.Elem())
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return fmt.Sprintf("a whole number that fits %s", t.Kind())
	}
}

func absoluteURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Fragment == ""
}

// hostOf returns the host and port a URL leads to.
func hostOf(value string) []string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return []string{net.JoinHostPort(u.Hostname(), port)}
}
