package config

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// remoteFake stands for what AWS resolves; awssecrets is tested against a server.
type remoteFake struct {
	made     int
	settings AWS
	makeErr  error
}

func (f *remoteFake) make(_ context.Context, settings AWS) (Resolver, error) {
	f.made++
	f.settings = settings
	return f, f.makeErr
}

func (f *remoteFake) Resolve(_ context.Context, ref Reference) (string, error) {
	if strings.Contains(ref.Name, "missing") {
		return "", errors.New("there is no such secret")
	}
	return "s3cret-" + ref.Scheme + strings.Repeat("-", minTokenLength), nil
}

const remoteConfig = `
aws: {region: "${env:REGION}", role_arn: "arn:aws:iam::123456789012:role/hub"}
access:
  bootstrap_tokens:
    a: {role: operator, token: "${aws-sm:arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf#a}"}
    b: {role: auditor, token: "${aws-ssm:/hub/b}"}
`

func loadRemote(t *testing.T, text string, f *remoteFake, env ...string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("hub.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(t.Context(), &Options{Files: []string{"hub.yaml"}, Env: func() []string { return env }, Remote: f.make})
	return cfg, err
}

func TestReferencesThatAWSResolves(t *testing.T) {
	f := &remoteFake{}
	cfg, err := loadRemote(t, remoteConfig, f, "REGION=eu-west-2")
	if err != nil {
		t.Fatal(err)
	}
	for name, scheme := range map[string]string{"a": "aws-sm", "b": "aws-ssm"} {
		if got := cfg.Access.BootstrapTokens[name].Token.Reveal(); !strings.HasPrefix(got, "s3cret-"+scheme+"-") {
			t.Errorf("token %s is %q", name, got)
		}
	}
	want := AWS{Region: "eu-west-2", RoleARN: "arn:aws:iam::123456789012:role/hub"}
	if f.made != 1 || f.settings != want {
		t.Errorf("made %d times, at last with %+v; want once with %+v", f.made, f.settings, want)
	}
	var printed strings.Builder
	if err := cfg.Print(&printed, nil); err != nil || strings.Contains(printed.String(), "s3cret") {
		t.Errorf("printed (%v):\n%s", err, printed.String())
	}
}

func TestNobodyIsAskedForNothing(t *testing.T) {
	f := &remoteFake{}
	if _, err := loadRemote(t, "demo: false", f); err != nil || f.made != 0 {
		t.Errorf("made %d times, %v", f.made, err)
	}
}

func TestWhatAWSDoesNotResolveIsAFault(t *testing.T) {
	for _, tc := range []struct {
		name string
		text string
		f    remoteFake
		env  []string
		want []string
	}{
		{"missing", strings.ReplaceAll(remoteConfig, "/hub/b", "/hub/missing"), remoteFake{}, []string{"REGION=eu-west-1"}, []string{
			"hub.yaml:6:31: access.bootstrap_tokens.b.token: ${aws-ssm:/hub/missing}: there is no such secret",
		}},
		{"no credentials", remoteConfig, remoteFake{makeErr: errors.New("no credentials")}, []string{"REGION=eu-west-1"}, []string{
			"hub.yaml:5:32: access.bootstrap_tokens.a.token: ${aws-sm:arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf#a}: no credentials",
			"hub.yaml:6:31: access.bootstrap_tokens.b.token: ${aws-ssm:/hub/b}: no credentials",
		}},
		{"no region", remoteConfig, remoteFake{}, nil, []string{
			"hub.yaml:2:15: aws.region: ${env:REGION}: the variable is not set",
			"hub.yaml:6:31: access.bootstrap_tokens.b.token: ${aws-ssm:/hub/b}: aws.region is not known",
		}},
		{"itself", strings.ReplaceAll(remoteConfig, "${env:REGION}", "${aws-ssm:/hub/region}"), remoteFake{}, nil, []string{
			"hub.yaml:2:15: aws.region: ${aws-ssm:/hub/region}: aws.region is not known",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := loadRemote(t, tc.text, &tc.f, tc.env...)
			if err == nil {
				t.Fatal("it was loaded")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no fault %q in:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a value is shown:\n%v", err)
			}
		})
	}
}
