package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is one HTTP/1.1 connection that is kept open. It understands what the
// programs under test answer and no more: the generator shares the machine
// with them, and each microsecond it takes is one they do not have.
type conn struct {
	net  net.Conn
	in   *bufio.Reader
	body []byte
}

// exchangeTimeout ends a run in which an answer never comes.
const exchangeTimeout = 20 * time.Second

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	n, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect the generator: %w", err)
	}
	return &conn{net: n, in: bufio.NewReader(n)}, nil
}

func (c *conn) close() { _ = c.net.Close() }

// do sends a request and returns the answer's status and its body, which is
// good until the next call.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	if err := c.net.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, nil, fmt.Errorf("send request: %w", err)
	}
	if _, err := c.net.Write(request); err != nil {
		return 0, nil, fmt.Errorf("send request: %w", err)
	}
	line, err := c.line()
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, errors.New("read answer: no HTTP/1.1 status line")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("read answer's status: %w", err)
	}
	length, err := c.header()
	if err != nil {
		return 0, nil, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return 0, nil, fmt.Errorf("read answer's body: %w", err)
	}
	return status, c.body, nil
}

// header reads to the end of the header and returns the length of the body.
func (c *conn) header() (int, error) {
	const name = "content-length:"
	length := -1
	for {
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, fmt.Errorf("read answer's length: %w", err)
			}
		}
	}
	if length < 0 {
		return 0, errors.New("read answer: it does not say its length")
	}
	return length, nil
}

func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
