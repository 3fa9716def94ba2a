package pebbletable_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// childDir, when set, makes the test binary the other process of this file: it
// opens that directory and writes until it is killed.
const childDir = "PEBBLETABLE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled prints one line for each commit that was acknowledged.
func writeUntilKilled(dir string) error {
	store, err := pebbletable.Open(dir, nil)
	if err != nil {
		return err
	}
	rows := table.New(store, nil).Hub()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent does
		cancel()
	}()
	errs := make(chan error)
	for writer := range 8 {
		go func() {
			for n := 0; ; n++ {
				sk := fmt.Sprintf("%d-%d-%06d", os.Getpid(), writer, n)
				v, err := rows.Commit(ctx, table.Put("p", sk, make([]byte, 1000)).IfAbsent())
				if err != nil {
					errs <- err
					return
				}
				// One write each, so that lines do not mix.
				if _, err := os.Stdout.WriteString(sk + " " + hex.EncodeToString(v[:]) + "\n"); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]string{}
	for range 4 { // each life goes on where the last was killed
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
		for n := 0; ; n++ {
			if n == 300 {
				refuses(t, dir, model.Unavailable, dir, "in use by another process")
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := lines.ReadString('\n')
			if errors.Is(err, io.EOF) {
				if n < 300 {
					t.Fatalf("the child ended after %d commits", n)
				}
				break // a line without an end was not printed in full
			}
			if err != nil {
				t.Fatal(err)
			}
			sk, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			acked[sk] = version
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child was not killed")
		}

		tab := table.New(open(t, dir, nil), nil)
		for sk, version := range acked {
			row, err := tab.Hub().Get(t.Context(), "p", sk)
			if err != nil || hex.EncodeToString(row.Version[:]) != version {
				t.Errorf("acknowledged row %s: version %x, %v; want %s", sk, row.Version, err, version)
			}
		}
		if err := tab.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
