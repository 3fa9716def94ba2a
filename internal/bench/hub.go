package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	clientToken   = "bench-client-token-of-more-than-32-characters"
	operatorToken = "bench-operator-token-of-more-than-32-characters"
)

// Metrics that are read.
const (
	metricMallocs    = "go_memstats_mallocs_total"
	metricAllocBytes = "go_memstats_alloc_bytes_total"
	metricUnits      = "hub_table_write_units_total"
	metricLanes      = "hub_lanes_active"
	metricKeys       = "hub_key_requests_total"
)

// hub is a hub under test with the echo connector, over a store of its own.
type hub struct {
	*process
	dir    string
	plugin int // the connector's process
}

// startHub starts a hub over an empty store.
func startHub(ctx context.Context, s settings, replyURL string) (*hub, error) {
	dir, err := os.MkdirTemp(s.work, "hub-")
	if err != nil {
		return nil, fmt.Errorf("make the hub's directory: %w", err)
	}
	bin, err := filepath.Abs(s.bin)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`
data_dir: %q
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
access:
  bootstrap_tokens:
    desk: {role: client, client: bench, token: %q}
    operator: {role: operator, token: %q}
plugins: {echo: {path: %q}}
clients:
  bench:
    name: Bench
    accounts:
      %s: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}
`, filepath.Join(dir, "data"), clientToken, operatorToken, filepath.Join(bin, "hub-plugin-echo"), account, replyURL, secret)
	file := filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("write the hub's configuration: %w", err)
	}
	p, err := startProcess(ctx, filepath.Join(bin, "hub"), "serve", "--config", file)
	if err != nil {
		return nil, err
	}
	children, err := childrenOf(p.pid())
	if err == nil && len(children) != 1 {
		err = fmt.Errorf("the hub has %d child processes, not the connector alone", len(children))
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return &hub{process: p, dir: dir, plugin: children[0]}, nil
}

// end stops the hub and removes its store.
func (h *hub) end() {
	h.stop()
	_ = os.RemoveAll(h.dir)
}

// get fetches from the admin listener, which serves the client API as well.
func (p *process) get(ctx context.Context, path, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	body, err := answerOf(req, http.StatusOK)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	return body, nil
}

func answerOf(req *http.Request, want int) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("status %d: %.300s", resp.StatusCode, body)
	}
	return body, err
}

// metrics returns all of a program's metrics by name, summed over their labels.
func (p *process) metrics(ctx context.Context) (map[string]float64, error) {
	body, err := p.get(ctx, "/metrics", operatorToken)
	if err != nil {
		return nil, err
	}
	return parseMetrics(body)
}

func parseMetrics(text []byte) (map[string]float64, error) {
	sums := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
		name, _, _ := strings.Cut(line[:i], "{")
		sums[name] += v
	}
	return sums, nil
}

// record is what is read of an event of the feed.
type record struct {
	Type    string `json:"type"`
	Message struct {
		Status string `json:"status"`
	} `json:"message"`
}

// inFeed counts the records of the feed that match, reading it to its end.
func (h *hub) inFeed(ctx context.Context, match func(record) bool) (int, error) {
	count, cursor := 0, ""
	for {
		raw, err := h.get(ctx, "/v1/events?limit=500&cursor="+url.QueryEscape(cursor), clientToken)
		if err != nil {
			return 0, err
		}
		var page struct {
			Data []record `json:"data"`
			Next string   `json:"next_cursor"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return 0, fmt.Errorf("read events: %w", err)
		}
		if len(page.Data) == 0 {
			return count, nil
		}
		for _, r := range page.Data {
			if match(r) {
				count++
			}
		}
		cursor = page.Next
	}
}

var errNotYet = errors.New("not yet")

// eventually tries until try no longer says errNotYet.
func eventually(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	for {
		err := try()
		if !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: it did not come to that: %w", what, ctx.Err())
		}
	}
}
