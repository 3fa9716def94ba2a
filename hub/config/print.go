package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

// The forms that Print knows.
const (
	FormatYAML = "yaml"
	FormatJSON = "json"
)

// PrintOptions say how Print writes.
type PrintOptions struct {
	// Format is FormatYAML, which is the default, or FormatJSON.
	Format string
	// Origins adds to each value where it was written, as a comment; YAML only.
	Origins bool
}

// Print writes the configuration in force, with the defaults. Secrets are
// redacted, and a value that holds a reference is written with the reference.
func (c *Config) Print(w io.Writer, opts *PrintOptions) error {
	if opts == nil {
		opts = &PrintOptions{}
	}
	var out []byte
	var err error
	switch opts.Format {
	case "", FormatYAML:
		p := yamlPrinter{cfg: c, origins: opts.Origins}
		err = p.fields(c.view(), 0)
		out = p.out.Bytes()
	case FormatJSON:
		out, err = c.MarshalJSON()
		if err == nil {
			var indented bytes.Buffer
			err = json.Indent(&indented, out, "", "  ")
			out = append(indented.Bytes(), '\n')
		}
	default:
		return fmt.Errorf("print configuration: no format %q", opts.Format)
	}
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// MarshalJSON writes what Print writes, without line breaks.
func (c *Config) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, c.view()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, v view) error {
	if v.leaf {
		return encode(b, v.shown)
	}
	b.WriteByte('{')
	for i, field := range v.fields {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(b, field.path.last()); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeJSON(b, field); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// encode writes JSON without the escapes that only HTML needs.
func encode(b *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("encode value: %w", err)
	}
	b.Truncate(b.Len() - 1) // the newline that Encode adds
	return nil
}

type yamlPrinter struct {
	cfg     *Config
	origins bool
	out     bytes.Buffer
}

func (p *yamlPrinter) fields(v view, depth int) error {
	for _, field := range v.fields {
		key, err := yamlScalar(field.path.last())
		if err != nil {
			return err
		}
		p.out.WriteString(strings.Repeat("  ", depth) + key + ":")
		switch {
		case !field.leaf && len(field.fields) > 0:
			p.out.WriteByte('\n')
			if err := p.fields(field, depth+1); err != nil {
				return err
			}
			continue
		case !field.leaf:
			p.out.WriteString(" {}")
		default:
			text, err := yamlScalar(field.shown)
			if err != nil {
				return err
			}
			p.out.WriteString(" " + text)
		}
		if p.origins {
			p.out.WriteString("  # " + p.cfg.origin.where(field.path).String())
		}
		p.out.WriteByte('\n')
	}
	return nil
}

// yamlScalar writes a scalar as YAML does, and everything that needs more than
// a line, and every list, as JSON, which is YAML too.
func yamlScalar(value any) (string, error) {
	var b bytes.Buffer
	if err := encode(&b, value); err != nil {
		return "", err
	}
	text, ok := value.(string)
	if !ok || text == "" || strings.ContainsAny(text, "\n\r\t") {
		return b.String(), nil
	}
	plain, err := yaml.Marshal(text)
	if err != nil {
		return "", fmt.Errorf("encode value: %w", err)
	}
	return strings.TrimSpace(string(plain)), nil
}
