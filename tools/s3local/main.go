// Command s3local is an S3 server for tests: rclone's gofakes3 over memory,
// with its signature checks on. It is a module of its own, so that the product
// does not depend on it.
//
// It serves on two ports of loopback, prints their URLs in one line, S3 first
// and then the control, and ends with its standard input. What gofakes3 leaves
// out and the hub relies on is added here: the owner of a bucket is checked,
// SSE-KMS headers are demanded, kept and told, and a conditional write is
// atomic.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
	"github.com/rclone/gofakes3/signature"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "s3local:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 4 {
		return fmt.Errorf("want the account, the access key and its secret")
	}
	s := &server{account: os.Args[1], access: os.Args[2], secret: os.Args[3], sse: map[string]string{}}
	signature.TimeNow = s.now
	backend := &atomic{Backend: s3mem.New(s3mem.WithTimeSource(s))}
	s.s3 = gofakes3.New(backend, gofakes3.WithTimeSource(s), gofakes3.WithoutVersioning(), gofakes3.WithTimeSkewLimit(0)).Server()

	ctx := context.Background()
	var listen net.ListenConfig
	data, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() { failed <- http.Serve(data, s) }()
	go func() { failed <- http.Serve(control, s.control()) }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err // nil: whoever started us is gone
	}()
	fmt.Printf("http://%s http://%s\n", data.Addr(), control.Addr())
	return <-failed
}

// Now and Since make the server a gofakes3.TimeSource.
func (s *server) Now() time.Time { return s.now() }

// Since is how long ago t is.
func (s *server) Since(t time.Time) time.Duration { return s.now().Sub(t) }
