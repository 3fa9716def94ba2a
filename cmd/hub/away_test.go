package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/internal/awslocal"
	"github.com/channelhub/channelhub/internal/testbin"
)

// start is `hub serve` over a configuration, in a process of its own.
type start struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func newStart(t *testing.T, config string, env ...string) *start {
	t.Helper()
	programs, err := testbin.Dir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "hub.yaml")
	text := `
data_dir: ` + filepath.Join(dir, "data") + `
aws: {region: eu-west-1}
listeners: {public: {address: "127.0.0.1:0"}, admin: {address: "127.0.0.1:0"}}
` + config
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &start{cmd: exec.CommandContext(ctx, filepath.Join(programs, "hub"), "serve", "--config", file)}
	s.cmd.Env = append(append(os.Environ(), awslocal.Environment()...), env...)
	s.cmd.Stderr = &s.stderr
	return s
}

// refused runs to the end, which must be exit code 1, and returns what was
// said. Nothing may be said on standard output: no `ready`.
func (s *start) refused(t *testing.T) string {
	t.Helper()
	out, err := s.cmd.Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || len(out) > 0 {
		t.Errorf("ended with %v, and %q on standard output; want exit code 1", err, out)
	}
	return s.stderr.String()
}

func onTable(table, endpoint string) string {
	return fmt.Sprintf("storage: {table: {driver: dynamodb, dynamodb: {table: %s, endpoint: %q}}}\n", table, endpoint)
}

// TestAWSAwayAtTheStart: what keeps the hub from starting is said in bounded
// time. All that waits, waits side by side.
func TestAWSAwayAtTheStart(t *testing.T) {
	awslocal.Credentials(t)
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		tableAway(t)
	})
	t.Run("references", func(t *testing.T) {
		t.Parallel()
		referencesAway(t)
	})
}

// tableAway: without its table the hub ends, with one line that names the
// endpoint, what is wrong there and the mend; with it the same start succeeds.
func tableAway(t *testing.T) {
	t.Helper()
	t.Run("faults", func(t *testing.T) {
		for name, test := range map[string]struct {
			fault      awslocal.Fault
			said, mend string
		}{
			"hanging":    {awslocal.Hang, "no answer in time", "check the network, the VPC endpoint and the credentials, then try again"},
			"throttling": {awslocal.Throttle, "ThrottlingException", "try again"},
			"refusing":   {awslocal.Deny, "AccessDeniedException", "allow dynamodb:DescribeTable and dynamodb:DescribeTimeToLive in the policy of the role"},
			"broken":     {awslocal.Break, "InternalServerError", "try again"},
			"cut":        {awslocal.Cut, "the connection failed", "check the network"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				table, proxy := storetest.Table(t), awslocal.NewProxy(t, awslocal.DynamoDB(t))
				proxy.Set(test.fault)
				oneLine(t, newStart(t, onTable(table, proxy.URL)).refused(t), "storage.table at "+proxy.URL, table, test.said, test.mend)

				proxy.Set(awslocal.Pass)
				serves(t, newStart(t, onTable(table, proxy.URL)))
			})
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		// Port 9 discards, where it does anything at all.
		said := newStart(t, onTable("channelhub", "http://127.0.0.1:9")).refused(t)
		oneLine(t, said, "storage.table at http://127.0.0.1:9", "the connection was refused", "check the network")
	})
	t.Run("no table", func(t *testing.T) {
		endpoint := awslocal.DynamoDB(t)
		said := newStart(t, onTable("none", endpoint)).refused(t)
		oneLine(t, said, "storage.table at "+endpoint, "there is no table none in eu-west-1", "deploy/aws")
	})
}

func oneLine(t *testing.T, said string, wants ...string) {
	t.Helper()
	if strings.Count(said, "\n") != 1 {
		t.Errorf("said %q, want one line", said)
	}
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("said %q, want %q in it", said, want)
		}
	}
}

// serves demands that the hub gets ready, and ends in order.
func serves(t *testing.T, s *start) {
	t.Helper()
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, _ := lines.ReadString('\n') // empty when it ends first
	err = s.cmd.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, lines)
	if err = errors.Join(err, s.cmd.Wait()); err != nil || !strings.HasPrefix(line, "ready ") {
		t.Errorf("the hub said %q and ended with %v: %s", line, err, &s.stderr)
	}
}

// referencesAway: a secret that cannot be had keeps the hub from starting, and
// each is named with what to do about it.
func referencesAway(t *testing.T) {
	t.Helper()
	moto := awslocal.Moto(t)
	value, there := "s3cret-"+uuid.NewString(), "/"+uuid.NewString()
	_, err := ssm.New(ssm.Options{
		Region: "eu-west-1", BaseEndpoint: &moto, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}).PutParameter(t.Context(), &ssm.PutParameterInput{Name: &there, Value: aws.String(value), Type: types.ParameterTypeSecureString})
	if err != nil {
		t.Fatal(err)
	}
	// Found, then one of each kind that is not.
	config := `
access:
  bootstrap_tokens:
    found: {role: operator, token: "${aws-ssm:` + there + `}"}
    lost: {role: auditor, token: "${aws-ssm:/hub/lost}"}
    more: {role: privacy, token: "${aws-sm:hub/more#token}"}
`
	for name, test := range map[string]struct {
		fault      awslocal.Fault
		after      int // calls that pass before
		lost, more string
	}{
		"missing":  {awslocal.Pass, 0, "there is no such parameter in eu-west-1", "there is no such secret in eu-west-1"},
		"refused":  {awslocal.Deny, 1, "allow ssm:GetParameter", "allow secretsmanager:GetSecretValue"},
		"hanging":  {awslocal.Hang, 1, "the parameter store of eu-west-1 did not answer in 5s", "Secrets Manager of eu-west-1 did not answer in 5s"},
		"throttle": {awslocal.Throttle, 1, "ThrottlingException", "ThrottlingException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := awslocal.NewProxy(t, moto)
			proxy.Set(test.fault)
			proxy.Next(make([]awslocal.Fault, test.after)...) // Pass
			said := newStart(t, config, "AWS_ENDPOINT_URL="+proxy.URL).refused(t)
			for _, want := range []string{"lost.token: ${aws-ssm:/hub/lost}: ", test.lost, "more.token: ${aws-sm:hub/more#token}: ", test.more} {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, want %q in it", said, want)
				}
			}
			if strings.Contains(said, value) || strings.Contains(said, "found.token") {
				t.Errorf("said %q, which tells a value, or blames a reference that was resolved", said)
			}
		})
	}
}
