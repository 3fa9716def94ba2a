package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	account         = "bench-echo"
	inboundPath     = "/in/echo/" + account
	outboundPath    = "/v1/messages"
	secret          = "bench-secret"
	signatureHeader = "X-Echo-Signature"
	signaturePrefix = "sha256="
)

// signed reports whether the signature is that of the body.
func signed(body []byte, signature string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body)
	want := make([]byte, 0, len(signaturePrefix)+2*sha256.Size)
	want = hex.AppendEncode(append(want, signaturePrefix...), mac.Sum(nil))
	return hmac.Equal(want, []byte(signature))
}

// words make text that compresses as what people write does.
var words = []string{
	"the", "and", "you", "for", "order", "have", "that", "with", "please", "this", "when", "parcel", "delivery",
	"address", "wrong", "yesterday", "number", "my", "is", "it", "not", "thanks", "could", "help", "refund", "email",
	"street", "waiting", "since", "Monday", "shoes", "size", "blue", "hello", "again", "shop", "card", "paid", "twice",
	"what", "about", "tomorrow", "morning", "they", "said", "call", "me", "back", "on", "at", "in", "a", "to", "no",
}

// traffic writes the requests of one connection. Its buffers are used again:
// a request is good until the next one is made.
type traffic struct {
	settings
	worker int
	tag    string // makes ids unique to one load
	rand   *rand.Rand
	mac    hash.Hash

	n             int
	body, request []byte
}

func newTraffic(s settings, tag string, worker int) *traffic {
	return &traffic{
		settings: s, worker: worker, tag: tag,
		rand: rand.New(rand.NewPCG(uint64(worker), 1)),
		mac:  hmac.New(sha256.New, []byte(secret)),
	}
}

// contact is who the connection writes for next. Connections share no contact,
// so that none waits for another's turn.
func (t *traffic) contact() string {
	mine := (t.Contacts - t.worker + t.Connections - 1) / t.Connections
	return contactName(t.worker + t.n%mine*t.Connections)
}

func contactName(i int) string { return fmt.Sprintf("visitor-%04d", i) }

func (t *traffic) text(b []byte, size int) []byte {
	for end := len(b) + size; len(b) < end; {
		b = append(b, words[t.rand.IntN(len(words))]...)
		b = append(b, ' ')
		b = b[:min(len(b), end)]
	}
	return b
}

// inbound makes the next message of a provider, signed.
func (t *traffic) inbound() []byte { return t.from(t.contact()) }

func (t *traffic) from(contact string) []byte {
	t.n++
	b := append(t.body[:0], `{"id":"`...)
	b = fmt.Appendf(b, "%s-%d-%d", t.tag, t.worker, t.n)
	b = append(b, `","from":"`...)
	b = append(b, contact...)
	b = append(b, `","name":"`...)
	b = append(b, contact...)
	b = append(b, `","at":"`...)
	b = time.Now().UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","text":"`...)
	b = t.text(b, t.Text)
	b = append(b, `","envelope":"`...)
	for len(b) < t.Body-len(`"}`) {
		b = strconv.AppendUint(b, t.rand.Uint64()>>60, 16)
	}
	t.body = append(b, `"}`...)
	return t.signedPost()
}

// receipt makes the provider's word that it delivered a message.
func (t *traffic) receipt(providerID string) []byte {
	t.n++
	t.body = fmt.Appendf(t.body[:0], `{"id":"%s-%d-%d","receipt":"delivered","provider_id":%q}`, t.tag, t.worker, t.n, providerID)
	return t.signedPost()
}

func (t *traffic) signedPost() []byte {
	t.mac.Reset()
	_, _ = t.mac.Write(t.body)
	b := t.head(inboundPath)
	b = append(b, signatureHeader+": "+signaturePrefix...)
	b = hex.AppendEncode(b, t.mac.Sum(nil))
	return t.end(b)
}

// outbound makes the next message of a client application. Its text begins with
// the connection and the number of the message, for the provider.
func (t *traffic) outbound() []byte { return t.to(t.contact()) }

func (t *traffic) to(contact string) []byte {
	t.n++
	b := append(t.body[:0], `{"account_id":"`+account+`","to":{"address":"`...)
	b = append(b, contact...)
	b = append(b, `","address_kind":"echo"},"content":{"type":"text","text":"`...)
	at := len(b)
	b = fmt.Appendf(b, "%d %d ", t.worker, t.n)
	b = t.text(b, t.Text-(len(b)-at))
	t.body = append(b, `"}}`...)
	b = t.head(outboundPath)
	b = append(b, "Authorization: Bearer "+clientToken+"\r\nIdempotency-Key: "...)
	b = fmt.Appendf(b, "%s-%d-%d", t.tag, t.worker, t.n)
	return t.end(b)
}

func (t *traffic) head(path string) []byte {
	b := append(t.request[:0], "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(t.body)), 10)
	return append(b, "\r\n"...)
}

func (t *traffic) end(b []byte) []byte {
	b = append(b, "\r\n\r\n"...)
	t.request = append(b, t.body...)
	return t.request
}
