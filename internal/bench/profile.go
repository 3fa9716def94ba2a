package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// startProfile takes profiles of a hub while it is under load: of its processor
// time over the whole load, and of its allocations at the end. The function it
// returns waits for them. Profiling costs the hub a few percent.
func startProfile(ctx context.Context, s settings, tag string, p *process) func() error {
	cpu := make(chan error, 1)
	go func() {
		cpu <- p.keepProfile(ctx, s, fmt.Sprintf("profile?seconds=%d", max(int(s.Seconds), 1)), tag+"-cpu.pprof")
	}()
	return func() error { return errors.Join(<-cpu, p.keepProfile(ctx, s, "allocs", tag+"-allocs.pprof")) }
}

func (p *process) keepProfile(ctx context.Context, s settings, which, file string) error {
	raw, err := p.get(ctx, "/debug/pprof/"+which, operatorToken)
	if err == nil {
		err = os.MkdirAll(s.profile, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.profile, file), raw, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep profile: %w", err)
	}
	return nil
}
