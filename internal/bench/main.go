// Command bench measures the hub against a baseline of the same run, prints a
// table and writes the figures as JSON.
//
// Machines differ, and one machine differs from minute to minute, so absolute
// figures say little. What counts are ratios: each round starts every contender
// in turn, in rotating order, loads it with the same generator and compares it
// with the baseline of that round.
//
// The baseline, "bare", is the least that an honest receiver does: it checks
// the signature of a request of about 700 bytes, seals the body under a key at
// hand, writes it to Pebble with a sync and answers 200. It has no connector,
// no order, no de-duplication and no feed. The other contenders are the real
// programs: inbound is bin/hub with the echo connector taking such requests
// from 1,000 known contacts, outbound is POST /v1/messages until a provider
// has the message. What a contender acknowledged is afterwards counted in the
// feed: a figure made of lost messages is an error.
//
// When the baseline itself spreads by more than 1.5 between rounds, the
// machine is too noisy: the figures are shown, nothing is judged, and the exit
// status is 1.
//
// It needs Linux: processor time and memory are read from /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// settings are what the flags say.
type settings struct {
	Rounds      int           `json:"rounds"`
	Duration    time.Duration `json:"-"`
	Seconds     float64       `json:"seconds"`
	Connections int           `json:"connections"`
	Contacts    int           `json:"contacts"`
	Body        int           `json:"body_bytes"`
	Text        int           `json:"text_bytes"`

	bin     string
	work    string
	profile string
	aws     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 2 && args[0] == bareCommand {
		return serveBare(ctx, args[1], stdout)
	}
	s := settings{}
	var out string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&out, "out", "bench/latest.json", "where the figures go; the stores under test lie beside it, so this should be a real disk")
	flags.StringVar(&s.bin, "bin", "bin", "directory of hub and hub-plugin-echo")
	flags.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	flags.DurationVar(&s.Duration, "duration", 3*time.Second, "load on each contender in each round")
	flags.IntVar(&s.Connections, "connections", 64, "connections of the generator, each with one request at a time")
	flags.IntVar(&s.Contacts, "contacts", 1000, "contacts that the conversations are with")
	flags.IntVar(&s.Body, "body", 700, "bytes of a request's body")
	flags.IntVar(&s.Text, "text", 300, "bytes of text in it; the rest is what providers put around it")
	flags.BoolVar(&s.aws, "aws", false, "count requests to S3 as well, with the servers that make test installs")
	flags.StringVar(&s.profile, "profile", "", "write profiles of the hub under load into this directory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.Rounds < 1 || s.Connections < 1 || s.Contacts < s.Connections || s.Duration <= 0 || flags.NArg() > 0 {
		return errors.New("need at least one round and connection, as many contacts as connections, a duration, and no arguments")
	}
	s.Seconds = s.Duration.Seconds()
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(out), "run-")
	if err != nil {
		return fmt.Errorf("make the working directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if s.work, err = filepath.Abs(work); err != nil {
		return err
	}

	r, err := measure(ctx, s, stderr)
	if err != nil {
		return err
	}
	if err := r.save(out); err != nil {
		return err
	}
	if err := r.print(stdout); err != nil {
		return err
	}
	if !r.Judged {
		return fmt.Errorf("the baseline's fastest round was %.2f times its slowest, over %.1f: too noisy to judge; run it again when the machine is quieter", r.Bare.Rate.spread(), maxSpread)
	}
	return nil
}
