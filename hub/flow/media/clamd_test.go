package media

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// TestHalfAFileHasNoVerdict: what a scanner says of the beginning of a file is
// no word about the file.
func TestHalfAFileHasNoVerdict(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				var got []byte
				part := make([]byte, 1024)
				for !bytes.HasSuffix(got, make([]byte, 4)) {
					n, err := conn.Read(part)
					if err != nil {
						return
					}
					got = append(got, part[:n]...)
				}
				_, _ = io.WriteString(conn, "stream: OK\x00")
			}()
		}
	}()
	c, err := parseClamd("tcp://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if clean, err := c.scan(t.Context(), bytes.NewReader([]byte("hello"))); err != nil || !clean {
		t.Errorf("a whole file: %t, %v", clean, err)
	}
	broken := io.MultiReader(bytes.NewReader([]byte("hello")), iotest.ErrReader(io.ErrUnexpectedEOF))
	if clean, err := c.scan(t.Context(), broken); err == nil {
		t.Errorf("half a file has the verdict %t", clean)
	}
}
