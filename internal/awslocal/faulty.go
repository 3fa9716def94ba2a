package awslocal

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Fault is what happens to a call on its way.
type Fault int

// The faults.
const (
	Pass       Fault = iota // nothing
	Throttle                // refused as too many, in DynamoDB's words
	Deny                    // refused as not allowed
	Break                   // 500, nothing done
	Cut                     // the connection ends, nothing done
	Hang                    // no answer until the caller leaves, nothing done
	LoseAnswer              // it is done, and the connection ends
)

// Proxy stands before a server and spoils calls. It is safe for concurrent
// use.
type Proxy struct {
	URL string

	target string
	mu     sync.Mutex
	fault  Fault
	only   string // operation that the fault waits for; empty: any
	next   []Fault
	calls  int
	signed []string
}

// NewProxy starts one before the target; it ends with the test.
func NewProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	p := &Proxy{target: target}
	s := httptest.NewServer(http.HandlerFunc(p.serve))
	p.URL = s.URL
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return p
}

// Set gives all coming calls a fault.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.only, p.next = f, "", nil
}

// SetOnly gives all coming calls of one operation a fault, such as
// "PutLogEvents", and lets the others pass. It is for services that name the
// operation in a header: DynamoDB, KMS and CloudWatch Logs.
func (p *Proxy) SetOnly(operation string, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.only, p.next = f, operation, nil
}

// Next gives the coming calls a fault each; those after have the one of Set.
func (p *Proxy) Next(f ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = f
}

// Calls is how many calls came so far.
func (p *Proxy) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// Signers is whose access keys signed the calls since the last look.
func (p *Proxy) Signers() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.signed
	p.signed = nil
	return out
}

func (p *Proxy) take(r *http.Request) Fault {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.signed = append(p.signed, key)
	if len(p.next) == 0 {
		if _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); p.only != "" && p.only != operation {
			return Pass
		}
		return p.fault
	}
	f := p.next[0]
	p.next = p.next[1:]
	return f
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	// To its end: only then a server notices that its caller leaves.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch f := p.take(r); f {
	case Throttle:
		answer(w, r, http.StatusBadRequest, "ThrottlingException")
	case Deny:
		answer(w, r, http.StatusBadRequest, "AccessDeniedException")
	case Break:
		answer(w, r, http.StatusInternalServerError, "InternalServerError")
	case Cut:
		panic(http.ErrAbortHandler)
	case Hang:
		<-r.Context().Done()
	case Pass, LoseAnswer:
		p.forward(w, r, body, f == LoseAnswer)
	}
}

func answer(w http.ResponseWriter, r *http.Request, status int, word string) {
	if r.Header.Get("X-Amz-Target") == "" { // STS
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>spoilt by the test</Message></Error></ErrorResponse>`, strings.TrimSuffix(word, "Exception"))
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"spoilt by the test"}`, word)
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, body []byte, lose bool) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || lose {
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(text)
}
