package sdktest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// provider is a fake provider on loopback. It answers from a script and keeps
// what it was asked. It is safe for concurrent use.
type provider struct {
	url string

	mu    sync.Mutex
	steps []step
	asked []*asked
}

// step answers one request, whose body was read.
type step func(http.ResponseWriter)

// asked is a request the provider got.
type asked struct {
	method, path string
	header       http.Header
	body         []byte
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.url = server.URL
	return p
}

// refusingURL is where nobody listens.
func refusingURL(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return "http://" + listener.Addr().String()
}

// script sets what the next requests are answered, and forgets the earlier
// ones.
func (p *provider) script(steps ...step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps, p.asked = steps, nil
}

// requests returns what was asked since the script was set.
func (p *provider) requests() []*asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// ServeHTTP implements [http.Handler]. A request behind the end of the script
// is answered 418, which no connector takes for success.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connector gave up
	}
	answer := func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) }
	p.mu.Lock()
	p.asked = append(p.asked, &asked{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
	if len(p.steps) > 0 {
		answer, p.steps = p.steps[0], p.steps[1:]
	}
	p.mu.Unlock()
	answer(w)
}

// answering answers with a status and nothing else.
func answering(status int, header ...string) step {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// resetting breaks the connection once the request was read.
func resetting(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// breakingOff promises a body and ends within it.
func breakingOff(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
	_ = buffered.Flush()
	_ = conn.Close()
}

// holding tells that the request has come, and answers with next once it is
// released.
func holding(next step) (held step, came <-chan struct{}, release func()) {
	arrived, released := make(chan struct{}), make(chan struct{})
	return func(w http.ResponseWriter) {
		close(arrived)
		<-released
		next(w)
	}, arrived, sync.OnceFunc(func() { close(released) })
}

// incidental are headers that say nothing about a connector.
var incidental = []string{"Accept-Encoding", "Content-Length", "User-Agent"}

// text is the request as stories show it.
func (a *asked) text() string {
	header := maps.Clone(a.header)
	for _, name := range incidental {
		delete(header, name)
	}
	return httpText(a.method+" "+a.path, header, a.body)
}

// httpText writes a message as stories show it: a first line, the header in
// the order of names, an empty line, the body.
func httpText(first string, header http.Header, body []byte) string {
	var b strings.Builder
	b.WriteString(first + "\n")
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(body) > 0 {
		b.WriteString("\n" + strings.TrimSuffix(string(body), "\n") + "\n")
	}
	return b.String()
}

// parseHTTP reads what httpText wrote.
func parseHTTP(data []byte) (first string, header http.Header, body []byte, err error) {
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	first, fields, _ := strings.Cut(string(head), "\n")
	header = http.Header{}
	for line := range strings.SplitSeq(strings.TrimSpace(fields), "\n") {
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return "", nil, nil, fmt.Errorf("header line %q has no colon", line)
		}
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		header[name] = append(header[name], strings.TrimSpace(value))
	}
	// The archive ends every section with a newline, the message may not.
	return strings.TrimSpace(first), header, bytes.TrimSuffix(body, []byte("\n")), nil
}

// scripted reads a response of a story.
func scripted(data []byte) (step, error) {
	first, header, body, err := parseHTTP(data)
	if err != nil {
		return nil, err
	}
	status, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("a response begins with its status: %w", err)
	}
	return func(w http.ResponseWriter) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}, nil
}
