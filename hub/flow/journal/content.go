package journal

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// What is sealed of an entry is the length of its frame, the frame as JSON,
// and the body as it came: a signature is over its bytes.

// keptRequest is everything of a request but its body. All headers stay: which
// of them a signature needs, the connector alone knows.
type keptRequest struct {
	Method      string              `json:"method"`
	URL         string              `json:"url"`
	SubPath     string              `json:"sub_path,omitempty"`
	Headers     []pluginhost.Header `json:"headers"`
	Remote      string              `json:"remote"`
	Received    time.Time           `json:"received"`
	Traceparent string              `json:"traceparent,omitempty"`
	// Under is the account whose secret verified a request for the connector as
	// a whole.
	Under model.AccountID `json:"under,omitempty"`
}

// keptFrame is everything of a socket frame but its text.
type keptFrame struct {
	Socket      string        `json:"socket"`
	Visitor     model.Address `json:"visitor"`
	Received    time.Time     `json:"received"`
	Traceparent string        `json:"traceparent,omitempty"`
}

func packRequest(r pluginhost.HTTPRequest, under model.AccountID) ([]byte, error) {
	if r.AccountID != "" {
		under = "" // the route says it
	}
	return pack(keptRequest{
		Under:  under,
		Method: r.Method, URL: r.URL, SubPath: r.SubPath, Headers: r.Headers, Remote: r.RemoteAddress,
		Received: r.ReceivedAt, Traceparent: r.Traceparent,
	}, r.Body)
}

func unpackRequest(route store.JournalRoute, content []byte) (pluginhost.HTTPRequest, error) {
	var k keptRequest
	body, err := unpack(content, &k)
	return pluginhost.HTTPRequest{
		AccountID: route.Account, Method: k.Method, URL: k.URL, SubPath: k.SubPath, Headers: k.Headers,
		Body: body, RemoteAddress: k.Remote, ReceivedAt: k.Received, Traceparent: k.Traceparent, Replayed: true,
	}, err
}

func packFrame(f pluginhost.SocketFrame) ([]byte, error) {
	return pack(keptFrame{
		Socket: f.SocketID, Visitor: f.Visitor, Received: f.ReceivedAt, Traceparent: f.Traceparent,
	}, f.Frame)
}

func unpackFrame(route store.JournalRoute, content []byte) (pluginhost.SocketFrame, error) {
	var k keptFrame
	text, err := unpack(content, &k)
	return pluginhost.SocketFrame{
		AccountID: route.Account, SocketID: k.Socket, Visitor: k.Visitor, Frame: text,
		ReceivedAt: k.Received, Traceparent: k.Traceparent,
	}, err
}

func pack(frame any, body []byte) ([]byte, error) {
	f, err := json.Marshal(frame)
	if err != nil {
		return nil, model.Wrap(model.Internal, "pack journal entry", err)
	}
	out := make([]byte, 0, binary.MaxVarintLen32+len(f)+len(body))
	out = binary.AppendUvarint(out, uint64(len(f)))
	out = append(out, f...)
	return append(out, body...), nil
}

func unpack(content []byte, frame any) (body []byte, err error) {
	n, used := binary.Uvarint(content)
	if used <= 0 || n > uint64(len(content)-used) {
		return nil, model.Errorf(model.Corrupt, "unpack journal entry", "the length is wrong")
	}
	rest := content[used:]
	if err := json.Unmarshal(rest[:n], frame); err != nil {
		// The cause could quote what the entry says.
		return nil, model.Errorf(model.Corrupt, "unpack journal entry", "the frame does not decode")
	}
	return rest[n:], nil
}
