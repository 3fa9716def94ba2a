package chat

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	protocolVersion = 1
	maxFrameID      = 64  // characters
	maxOpaque       = 512 // characters of tokens and positions
	maxReceipts     = 100 // ids in one frame
)

// The close codes.
const (
	closeFault    = websocket.StatusInternalError
	closeRestart  = websocket.StatusServiceRestart
	closeLater    = websocket.StatusTryAgainLater
	closeTooBig   = websocket.StatusMessageTooBig
	closeProtocol = websocket.StatusCode(4000)
	closeToken    = websocket.StatusCode(4001)
	closeOrigin   = websocket.StatusCode(4003)
	closeSlow     = websocket.StatusCode(4008)
	closeTooMany  = websocket.StatusCode(4029)
)

// The codes of a nack.
const (
	nackMalformed   = "malformed"
	nackUnsupported = "unsupported"
	nackTooLong     = "too_long"
	nackRateLimited = "rate_limited"
	nackUnavailable = "unavailable"
	nackRejected    = "rejected"
)

// frame is a frame from a browser: what the hub reads of every frame, and the
// bytes for whoever reads the rest.
type frame struct {
	kind string
	id   string // empty: a signal, never answered
	data []byte
	at   time.Time
}

// parseFrame reads the outer form of a frame; false means that the browser
// does not speak the protocol.
func parseFrame(data []byte, at time.Time) (frame, bool) {
	var outer struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	if !utf8.Valid(data) || json.Unmarshal(data, &outer) != nil || outer.Type == "" {
		return frame{}, false
	}
	if utf8.RuneCountInString(outer.ID) > maxFrameID {
		return frame{}, false
	}
	return frame{kind: outer.Type, id: outer.ID, data: data, at: at}, true
}

type hello struct {
	Version  int    `json:"version"`
	Token    string `json:"token"`
	Position string `json:"position"`

	told
}

// told is what a page says of itself, in its hello and in every context frame.
type told struct {
	Page    json.RawMessage   `json:"page"`
	Cookies map[string]string `json:"cookies"`
	Data    json.RawMessage   `json:"data"`
}

type receipt struct {
	IDs []model.MessageID `json:"ids"`
}

type welcome struct {
	Type    string       `json:"type"`
	Token   string       `json:"token"`
	Resumed bool         `json:"resumed"`
	Limits  welcomeLimit `json:"limits"`
	// Cookies are the names of those that the page may tell.
	Cookies []string `json:"cookies,omitempty"`
}

type welcomeLimit struct {
	Text         int `json:"text,omitempty"` // code points
	Frame        int `json:"frame"`          // bytes
	FramesPer10s int `json:"frames_per_10s"`
	// Files is absent when the account takes none.
	Files *welcomeFiles `json:"files,omitempty"`
}

type welcomeFiles struct {
	Size  int64    `json:"size"`            // bytes of one file
	Types []string `json:"types,omitempty"` // patterns; absent: all that the hub takes
}

type ack struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Message model.MessageID `json:"message_id,omitempty"`
	At      *model.Time     `json:"at,omitempty"`
}

type nack struct {
	Type         string `json:"type"`
	ID           string `json:"id"`
	Code         string `json:"code"`
	Detail       string `json:"detail"`
	Retry        bool   `json:"retry"`
	RetryAfterMs int64  `json:"retry_after_ms,omitempty"`
}

type state struct {
	Type     string          `json:"type"`
	Session  string          `json:"session"`
	EndedBy  string          `json:"ended_by,omitempty"`
	EndedAt  *model.Time     `json:"ended_at,omitempty"`
	ReadUpTo model.MessageID `json:"read_up_to,omitempty"`
}

var pong = []byte(`{"type":"pong"}`)

// encode spells one of the frames above, which always have a JSON form.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// bundle puts what a connector rendered into one frame, byte for byte. Frames
// that are not the conversation's own come without a position.
func bundle(position string, frames [][]byte) []byte {
	size := 64 + len(position)
	for _, f := range frames {
		size += len(f) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"type":"frames"`...)
	if position != "" {
		b = append(b, `,"position":`...)
		b = strconv.AppendQuote(b, position) // base64url: nothing to escape
	}
	b = append(b, `,"frames":[`...)
	b = append(b, bytes.Join(frames, []byte{','})...)
	return append(b, "]}"...)
}
