package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ProblemError is a call that the hub refused.
type ProblemError struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Faults    []Fault `json:"faults"`
	RequestID string  `json:"request_id"`
	Oldest    string  `json:"oldest"` // the cursor to read on with
}

// Fault is one thing wrong with a call.
type Fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error writes the problem for people: a line, and one for each fault.
func (p *ProblemError) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	switch {
	case p.Status == http.StatusUnauthorized:
		b.WriteString(" The token is read from " + TokenVariable + ".")
	case p.Status >= http.StatusInternalServerError && p.RequestID != "":
		b.WriteString(" (request " + p.RequestID + ")")
	}
	for _, f := range p.Faults {
		b.WriteString("\n  ")
		if f.Field != "" {
			b.WriteString(f.Field + ": ")
		}
		// A fault of several lines shows where in a file it is.
		b.WriteString(strings.ReplaceAll(f.Detail, "\n", "\n  "))
	}
	return b.String()
}

// problemOf reads the problem of an answer. What answers otherwise is no hub,
// or something in between.
func (c *Client) problemOf(resp *http.Response) error {
	const maxProblem = 1 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	p := &ProblemError{}
	if err != nil || json.Unmarshal(body, p) != nil || !strings.HasPrefix(p.Type, "urn:channelhub:problem:") {
		return fmt.Errorf("%s answers %s, and not as a hub does: is %s its admin listener?", c.base, resp.Status, AddressVariable)
	}
	return p
}
