package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// provider is what echo sends to. It takes everything at once and tells the
// connection whose message has arrived.
type provider struct {
	server  *http.Server
	url     string
	arrived []chan arrival // by connection
}

// arrival is one message at the provider: its number within its connection,
// and the id the provider gave it.
type arrival struct {
	n  int
	id string
}

func startProvider(ctx context.Context, connections int) (*provider, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the provider's listener: %w", err)
	}
	p := &provider{url: "http://" + listener.Addr().String(), arrived: make([]chan arrival, connections)}
	for i := range p.arrived {
		p.arrived[i] = make(chan arrival, 8)
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.take), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

func (p *provider) close() { _ = p.server.Close() }

func (p *provider) take(w http.ResponseWriter, r *http.Request) {
	var m struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && !signed(body, r.Header.Get(signatureHeader)) {
		err = errors.New("bad signature")
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	var worker, n int
	if err == nil {
		worker, n, err = tagOf(m.Text)
	}
	if err != nil || worker < 0 || worker >= len(p.arrived) {
		http.Error(w, "not a message of this bench", http.StatusBadRequest)
		return
	}
	id := "prov-" + m.ID
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"provider_id":%q}`, id)
	select {
	case p.arrived[worker] <- arrival{n, id}:
	default: // nobody waits any more: the connection has given up
	}
}

// tagOf reads which message of which connection a text is; see
// traffic.outbound.
func tagOf(text string) (worker, n int, err error) {
	words := strings.SplitN(text, " ", 3)
	if len(words) < 3 {
		return 0, 0, errors.New("the text has no tag")
	}
	worker, err1 := strconv.Atoi(words[0])
	n, err2 := strconv.Atoi(words[1])
	return worker, n, errors.Join(err1, err2)
}

// wait returns the provider's id of a connection's message once that is there.
// A second copy of an earlier one is passed over.
func (p *provider) wait(ctx context.Context, worker, n int) (string, error) {
	timer := time.NewTimer(exchangeTimeout)
	defer timer.Stop()
	for {
		select {
		case a := <-p.arrived[worker]:
			if a.n == n {
				return a.id, nil
			}
		case <-ctx.Done():
			return "", ctx.Err()
		case <-timer.C:
			return "", fmt.Errorf("wait for the provider: a message did not arrive in %s", exchangeTimeout)
		}
	}
}
