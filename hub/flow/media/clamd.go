package media

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// scanChunk is far below what clamd takes in one piece.
	scanChunk = 64 << 10
	// scanStall is how long clamd may take for one chunk, and for its answer.
	scanStall = 60 * time.Second
	// maxVerdict is longer than any answer.
	maxVerdict = 4 << 10
)

// clamd asks a ClamAV daemon what it thinks of bytes, by its INSTREAM command.
// It is safe for concurrent use: each scan has a connection of its own.
type clamd struct{ network, address string }

// parseClamd reads tcp://host:port, unix:/path, or either without its scheme.
func parseClamd(s string) (*clamd, error) {
	switch {
	case s == "":
		return nil, nil
	case strings.HasPrefix(s, "tcp://"):
		return &clamd{"tcp", strings.TrimPrefix(s, "tcp://")}, nil
	case strings.HasPrefix(s, "unix:"):
		return &clamd{"unix", "/" + strings.TrimLeft(strings.TrimPrefix(s, "unix:"), "/")}, nil
	case strings.HasPrefix(s, "/"):
		return &clamd{"unix", s}, nil
	case strings.Contains(s, ":") && !strings.Contains(s, "/"):
		return &clamd{"tcp", s}, nil
	}
	return nil, model.Errorf(model.Invalid, "read address of clamd", "give tcp://host:port or unix:/path")
}

// scan returns whether the bytes are clean. Anything but a clear word of clamd
// is an error, and no verdict.
func (c *clamd) scan(ctx context.Context, body io.Reader) (clean bool, err error) {
	const op = "scan attachment"
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return false, model.Wrap(model.Unavailable, op, err)
	}
	defer func() { _ = conn.Close() }() // it has answered, or we gave up
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "zINSTREAM\x00"); err != nil {
		return false, model.Wrap(model.Unavailable, op, err)
	}
	buffer := make([]byte, 4+scanChunk)
	for {
		n, readErr := body.Read(buffer[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buffer, uint32(n))
			_ = conn.SetDeadline(time.Now().Add(scanStall))
			if _, err := conn.Write(buffer[:4+n]); err != nil {
				return false, model.Wrap(model.Unavailable, op, err)
			}
		}
		if readErr == io.EOF { // bare, as readers end: a body that broke off has no verdict
			break
		}
		if readErr != nil {
			return false, fmt.Errorf("%s: %w", op, readErr)
		}
	}
	if _, err := conn.Write(make([]byte, 4)); err != nil {
		return false, model.Wrap(model.Unavailable, op, err)
	}
	_ = conn.SetDeadline(time.Now().Add(scanStall))
	answer, err := io.ReadAll(io.LimitReader(conn, maxVerdict))
	if err != nil {
		return false, model.Wrap(model.Unavailable, op, err)
	}
	return verdict(string(answer))
}

// pingPatience is ample for a word each way.
const pingPatience = 5 * time.Second

// PingClamd looks whether a ClamAV daemon answers at an address of
// configuration. Nothing is scanned.
func PingClamd(ctx context.Context, address string) error {
	const op = "ask clamd"
	c, err := parseClamd(address)
	if err != nil || c == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, c.network, c.address)
	if err != nil {
		return model.Wrap(model.Unavailable, op, err)
	}
	defer func() { _ = conn.Close() }() // it has answered, or we gave up
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "zPING\x00"); err != nil {
		return model.Wrap(model.Unavailable, op, err)
	}
	const pong = "PONG\x00"
	answer := make([]byte, len(pong))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return model.Wrap(model.Unavailable, op, err)
	}
	if string(answer) != pong {
		return model.Errorf(model.Invalid, op, "what listens at %s is no clamd", address)
	}
	return nil
}

// verdict reads an answer such as "stream: OK" or "stream: Eicar FOUND".
func verdict(answer string) (clean bool, err error) {
	answer, whole := strings.CutSuffix(answer, "\x00")
	switch {
	case whole && answer == "stream: OK":
		return true, nil
	case whole && strings.HasPrefix(answer, "stream: ") && strings.HasSuffix(answer, " FOUND"):
		return false, nil
	}
	return false, model.Errorf(model.Unavailable, "scan attachment", "clamd gave no verdict")
}
