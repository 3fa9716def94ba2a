// Package remote asks a running hub, over its HTTP APIs.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// The environment that names a hub.
const (
	AddressVariable = "HUB_ADDR"
	TokenVariable   = "HUB_TOKEN"
	defaultAddress  = "http://127.0.0.1:8081"
)

const (
	// answerTimeout is long: replacing a plugin waits for two processes.
	answerTimeout = time.Minute
	maxAnswer     = 64 << 20
)

// Client asks one hub. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	token   string
	http    *http.Client
	patient bool
}

// Patient returns a client that waits for an answer as long as the hub works on
// it.
func (c *Client) Patient() *Client {
	p := *c
	p.patient = true
	return &p
}

// FromEnvironment returns a client for the hub that HUB_ADDR names, with the
// token of HUB_TOKEN.
func FromEnvironment(getenv func(string) string) (*Client, error) {
	address := getenv(AddressVariable)
	if address == "" {
		address = defaultAddress
	}
	base, err := url.Parse(address)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("%s must be the base URL of the hub's admin listener, such as %s", AddressVariable, defaultAddress)
	}
	token := strings.TrimSpace(getenv(TokenVariable))
	if token == "" {
		return nil, fmt.Errorf("set %s to a token of the hub: the first ones stand in its configuration, under access.bootstrap_tokens; with one of role configurator, `hub token create` makes more", TokenVariable)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("%s holds a character that no token has", TokenVariable)
	}
	return &Client{base: base, token: token, http: &http.Client{
		// A redirect would carry the token to wherever it leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Request is one call.
type Request struct {
	Method string // GET when empty
	Path   string // with its ids escaped: see Path
	Query  url.Values
	Header http.Header
	Body   any // sent as JSON; nil: none
}

// Path joins the parts of a path; what varies is escaped.
func Path(prefix string, parts ...string) string {
	for _, p := range parts {
		prefix += "/" + url.PathEscape(p)
	}
	return prefix
}

// Do makes a call and returns its JSON answer, nil when there is none. A call
// that the hub refuses is a *ProblemError.
func (c *Client) Do(ctx context.Context, r Request) (json.RawMessage, error) {
	if !c.patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of the hub at %s broke off: %w", c.base, err)
	}
	if len(body) == 0 {
		return nil, nil
	}
	if !json.Valid(body) {
		return nil, fmt.Errorf("%s does not answer as a hub does: is %s its admin listener?", c.base, AddressVariable)
	}
	return body, nil
}

// All reads every page of a list.
func (c *Client) All(ctx context.Context, path string, query url.Values) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	for {
		body, err := c.Do(ctx, Request{Path: path, Query: q})
		if err != nil {
			return nil, err
		}
		var page struct {
			Data       []json.RawMessage `json:"data"`
			NextCursor string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("read the list from %s: %w", c.base, err)
		}
		all = append(all, page.Data...)
		if page.NextCursor == "" || page.NextCursor == q.Get("cursor") {
			return all, nil
		}
		q.Set("cursor", page.NextCursor)
	}
}

// Copy makes a call and copies the body of its answer.
func (c *Client) Copy(ctx context.Context, r Request, w io.Writer) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("copy the answer of the hub at %s: %w", c.base, err)
	}
	return nil
}

// Lines makes a call and hands over each JSON value of its answer.
func (c *Client) Lines(ctx context.Context, r Request, each func(json.RawMessage) error) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(resp.Body); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the answer of the hub at %s: %w", c.base, err)
		}
		if err := each(raw); err != nil {
			return err
		}
	}
}

// send makes a call; the caller closes the body of the answer.
func (c *Client) send(ctx context.Context, r Request) (*http.Response, error) {
	target, err := url.Parse(strings.TrimRight(c.base.String(), "/") + r.Path)
	if err != nil {
		return nil, fmt.Errorf("build the address of a call: %w", err)
	}
	target.RawQuery = r.Query.Encode()
	var body io.Reader
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("encode the body of a call: %w", err)
		}
		body = bytes.NewReader(b)
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("build a call: %w", err)
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, c.problemOf(resp)
	}
	return resp, nil
}

// unreachable says in words of the operator why there is no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	cause := err
	if e, ok := errors.AsType[*url.Error](err); ok {
		cause = e.Err // without the URL: it is said already
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: start the hub, or set %s to the base URL of its admin listener", c.base, AddressVariable)
	case ctx.Err() != nil:
		return fmt.Errorf("the hub at %s did not answer within %s", c.base, answerTimeout)
	}
	return fmt.Errorf("cannot reach the hub at %s (%s): %w", c.base, AddressVariable, cause)
}
