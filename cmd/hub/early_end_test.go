package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/awslocal"
)

// TestEndedWhileItStarts: SIGTERM is an orderly end at any time: exit code 0,
// and no `ready`.
func TestEndedWhileItStarts(t *testing.T) {
	t.Run("a connector says nothing", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		program, begun := filepath.Join(dir, "silent"), filepath.Join(dir, "begun")
		if err := os.WriteFile(program, []byte("#!/bin/sh\nmkdir "+begun+"\nexec sleep 600\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		endsInOrder(t, newStart(t, "plugins: {silent: {path: "+program+"}}\n"), func() bool {
			_, err := os.Stat(begun)
			return err == nil
		})
	})
	t.Run("the table does not answer", func(t *testing.T) {
		awslocal.Credentials(t)
		proxy := awslocal.NewProxy(t, awslocal.DynamoDB(t))
		proxy.Set(awslocal.Hang)
		endsInOrder(t, newStart(t, onTable("channelhub", proxy.URL)), func() bool { return proxy.Calls() > 0 })
	})
}

// endsInOrder sends SIGTERM once the start has come so far.
func endsInOrder(t *testing.T, s *start, far func() bool) {
	t.Helper()
	var stdout bytes.Buffer
	s.cmd.Stdout = &stdout
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(patience); !far(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Error("the start did not come so far")
			break
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := s.cmd.Wait(); err != nil || stdout.Len() > 0 {
		t.Errorf("the hub said %q and ended with %v: %s", &stdout, err, &s.stderr)
	}
}
