package sdktest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/channelhub/channelhub/sdk/proto"
)

// parentOf says, in the environment, that the test binary is to be the parent
// of a connector.
const parentOf = "SDKTEST_PARENT_OF"

// shared is a folder that lasts as long as the tests of the package.
var shared string

func TestMain(m *testing.M) {
	if binary := os.Getenv(parentOf); binary != "" {
		os.Exit(beParent(binary))
	}
	var err error
	if shared, err = os.MkdirTemp("", "sdktest"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(shared)
	os.Exit(status)
}

// beParent starts a connector, as a hub that never comes to attach it would,
// and waits to be killed.
func beParent(binary string) int {
	cookie := proto.Handshake()
	child := exec.Command(binary) //nolint:noctx // it must outlive this process
	child.Env = []string{cookie.MagicCookieKey + "=" + cookie.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1", "TMPDIR=" + os.TempDir()}
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	fmt.Print(line, err, "\n")
	select {}
}

// A hub that dies before it has attached leaves no connection to lose.
func TestConnectorEndsWithItsParent(t *testing.T) {
	binary := moodyBinary(t)
	// The connector inherits the write end: it reads as ended once the last
	// process that holds it is gone.
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alive.Close() }()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentOf+"="+binary, "TMPDIR="+t.TempDir())
	parent.Stderr = held
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	// Its handshake shows that it has begun to serve.
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line[0] != '1' {
		t.Fatalf("the connector did not start: %q, %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, alive)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the connector lives on without its parent")
	}
}

func TestConnectorStartedByHandSaysWhatItIs(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), moodyBinary(t)).CombinedOutput()
	if err == nil || len(out) == 0 {
		t.Errorf("started by hand, the connector says %q and ends with %v", out, err)
	}
}
