package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ServerEvent is one event of a stream.
type ServerEvent struct {
	ID   string
	Type string
	Data string
}

// maxEventLine is well above the largest event.
const maxEventLine = 1 << 20

// Stream reads server-sent events until take returns an error or the stream
// ends; a stream that ends is io.ErrUnexpectedEOF, since the hub never ends
// one that it could go on with. LastID resumes behind an event.
func (c *Client) Stream(ctx context.Context, path, lastID string, take func(ServerEvent) error) error {
	r := Request{Path: path, Header: http.Header{"Accept": {"text/event-stream"}}}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEventLine)
	var e ServerEvent
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if e.Data != "" {
				if err := take(e); err != nil {
					return err
				}
			}
			e = ServerEvent{}
			continue
		}
		name, value, _ := strings.Cut(line, ":") // no name: a comment
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Type = value
		case "data":
			e.Data += value
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return io.ErrUnexpectedEOF
}
