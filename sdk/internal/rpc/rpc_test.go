package rpc

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestGateWaitsForTheLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate Gate
		for range 2 {
			if !gate.Enter() {
				t.Fatal("an open gate lets nobody in")
			}
		}
		if gate.Calls() != 2 {
			t.Fatalf("%d calls are under way", gate.Calls())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := gate.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained with two calls under way: %v", err)
		}
		if gate.Enter() {
			t.Error("a closed gate lets a call in")
		}
		drained := make(chan error)
		go func() { drained <- gate.Drain(t.Context()) }()
		gate.Leave()
		synctest.Wait()
		select {
		case err := <-drained:
			t.Fatalf("drained with a call under way: %v", err)
		default:
		}
		gate.Leave()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if err := gate.Drain(t.Context()); err != nil {
			t.Errorf("draining again: %v", err)
		}
	})
}

func TestEmptyGateDrainsAtOnce(t *testing.T) {
	var gate Gate
	if err := gate.Drain(t.Context()); err != nil || gate.Enter() {
		t.Errorf("an empty gate: %v", err)
	}
}

func TestGuardTurnsPanicsIntoFaults(t *testing.T) {
	var log bytes.Buffer
	guard := &Guard{Logger: hclog.New(&hclog.LoggerOptions{Output: &log, JSONFormat: true})}
	err := guard.Run("Send", func() error { panic("the customer said hello") })
	if status.Code(err) != codes.Internal || err.Error() != "rpc error: code = Internal desc = connector panicked in Send" {
		t.Errorf("a panic became %v", err)
	}
	if text := log.String(); strings.Contains(text, "hello") || !strings.Contains(text, "rpc_test.go") || !strings.Contains(text, "type string") {
		t.Errorf("the log says %s", text)
	}
	var none map[string]int
	if err := guard.Run("Send", func() error { none["a"] = 1; return nil }); status.Code(err) != codes.Internal {
		t.Errorf("a runtime panic became %v", err)
	}
	if !strings.Contains(log.String(), "assignment to entry in nil map") {
		t.Errorf("the runtime's own words are missing: %s", log.String())
	}
	want := errors.New("an error")
	if err := guard.Run("Send", func() error { return want }); !errors.Is(err, want) || guard.Panics() != 2 {
		t.Errorf("an error became %v, %d panics", err, guard.Panics())
	}
}

func TestDialHostRefusesBadMaterial(t *testing.T) {
	for name, e := range map[string]HostEndpoint{
		"a relative path": {Socket: "host.sock"},
		"no key":          {Socket: "/nowhere/host.sock"},
	} {
		if _, err := DialHost(t.Context(), e); err == nil {
			t.Errorf("dialled with %s", name)
		}
	}
}
