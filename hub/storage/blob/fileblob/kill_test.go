package fileblob_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
)

// childDir, when set, makes the test binary the other process of this file: it
// writes one blob, begins another, and waits to be killed.
const childDir = "FILEBLOB_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeAndHang(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// halfway tells that the second blob is on its way, and ends with the parent.
type halfway struct{ key blob.Key }

func (h halfway) Read([]byte) (int, error) {
	fmt.Println(h.key)
	_, err := io.Copy(io.Discard, os.Stdin)
	return 0, fmt.Errorf("the parent left: %w", err)
}

func writeAndHang(dir string) error {
	files, err := fileblob.Open(dir)
	if err != nil {
		return err
	}
	h := blob.New(files, nil).For("acme")
	ctx, end := context.Background(), time.Now().Add(time.Hour)
	whole, half := blob.NewKey(), blob.NewKey()
	if _, err := h.Put(ctx, whole, end, strings.NewReader("whole")); err != nil {
		return err
	}
	fmt.Println(whole)
	first := bytes.NewReader(make([]byte, blob.PartBytes)) // is written before more is read
	_, err = h.Put(ctx, half, end, io.MultiReader(first, halfway{half}))
	return err
}

// TestCrashDuringPut kills a process half-way through a Put: what was
// acknowledged stays, and of the other nothing does.
func TestCrashDuringPut(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdin // stays open: its end would tell the child that we are gone
	lines := bufio.NewReader(stdout)
	var keys [2]blob.Key
	for i := range keys {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the child: %v", err)
		}
		keys[i] = blob.Key(strings.TrimSpace(line))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if unfinished(t, dir) != 1 {
		t.Error("the child left nothing half-written: this test shows nothing")
	}
	h := blob.New(open(t, dir), nil).For("acme")
	if n := unfinished(t, dir); n != 0 {
		t.Errorf("%d files are left after the next start", n)
	}
	if _, err := h.Head(t.Context(), keys[0]); err != nil {
		t.Errorf("what was acknowledged: %v", err)
	}
	if _, err := h.Head(t.Context(), keys[1]); !model.Is(err, model.NotFound) {
		t.Errorf("what was not: got %v, want not_found", err)
	}
}
