package awstest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// words is one string or several, as policies write them.
type words []string

func (w *words) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(w))
}

type statement struct {
	Sid, Effect      string
	Action, Resource words
	Condition        map[string]map[string]words
}

type policy struct{ Statement []statement }

// deployment is what the placeholders of the policies stand for in the tests.
var deployment = strings.NewReplacer(
	"${Region}", "eu-west-1", "${Account}", "123456789012", "${Table}", "channelhub", "${Key}", "0a1b",
	"${BucketPrefix}", "channelhub-", "${LogGroup}", "channelhub", "${Secrets}", "channelhub", "${ClientRole}", "channelhub-client",
)

func readPolicy(t *testing.T, name string) policy {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", "aws", "policies", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return parsePolicy(t, deployment.Replace(string(raw)))
}

func parsePolicy(t *testing.T, text string) policy {
	t.Helper()
	var p policy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("read policy: %v", err)
	}
	for _, s := range p.Statement {
		if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
			t.Fatalf("statement %q is none that the tests can judge", s.Sid)
		}
	}
	return p
}

// actions are all that a policy allows on anything.
func (p policy) actions() []string {
	var out []string
	for _, s := range p.Statement {
		out = append(out, s.Action...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// request is what IAM judges.
type request struct {
	action, resource string
	context          map[string][]string
}

// allows judges a request as IAM does, with the few operators that our
// policies use; one that is not known here allows nothing.
func (p policy) allows(r request) bool {
	return slices.ContainsFunc(p.Statement, func(s statement) bool {
		if !slices.ContainsFunc(s.Action, func(a string) bool { return like(a, r.action) }) ||
			!slices.ContainsFunc(s.Resource, func(pattern string) bool { return like(pattern, r.resource) }) {
			return false
		}
		for operator, keys := range s.Condition {
			for key, want := range keys {
				if !fulfilled(operator, want, r.context[key]) {
					return false
				}
			}
		}
		return true
	})
}

func fulfilled(operator string, want words, got []string) bool {
	one := func(v string) bool { return slices.ContainsFunc(want, func(w string) bool { return like(w, v) }) }
	switch operator {
	case "Null":
		return (len(got) == 0) == (want[0] == "true")
	case "StringEquals", "StringLike":
		return len(got) == 1 && one(got[0])
	case "ForAllValues:StringLike":
		return !slices.ContainsFunc(got, func(v string) bool { return !one(v) })
	}
	return false
}

// like matches a pattern in which * stands for any text.
func like(pattern, text string) bool {
	head, rest, more := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	if text = text[len(head):]; !more {
		return text == ""
	}
	for i := range len(text) + 1 {
		if like(rest, text[i:]) {
			return true
		}
	}
	return false
}

const (
	tableARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/channelhub"
	keyARN   = "arn:aws:kms:eu-west-1:123456789012:key/0a1b"
)

func row(action, key string) request {
	return request{"dynamodb:" + action, tableARN, map[string][]string{"dynamodb:LeadingKeys": {key}}}
}

func object(action, arn, account string) request {
	return request{"s3:" + action, arn, map[string][]string{"s3:ResourceAccount": {account}}}
}

// TestPoliciesHoldRolesApart judges what each role may do with its own and
// with foreign things (I8).
func TestPoliciesHoldRolesApart(t *testing.T) {
	t.Parallel()
	const own, foreign = "123456789012", "210987654321"
	wrap := func(arn string, context map[string][]string) request { return request{"kms:Encrypt", arn, context} }
	for _, test := range []struct {
		role string
		does request
		want bool
	}{
		{"hub", row("PutItem", "h/token"), true},
		{"hub", row("PutItem", "c/acme/feed"), false},
		{"hub", request{action: "dynamodb:GetItem", resource: tableARN}, false}, // names no key
		{"hub", request{"dynamodb:GetItem", tableARN + "2", map[string][]string{"dynamodb:LeadingKeys": {"h/token"}}}, false},
		{"hub", request{action: "dynamodb:Scan", resource: tableARN}, false},
		{"hub", request{action: "dynamodb:DeleteTable", resource: tableARN}, false},
		{"hub", wrap(keyARN, map[string][]string{"kms:EncryptionContext:purpose": {"keyset"}}), true},
		{"hub", wrap(keyARN, nil), false},
		{"hub", wrap(keyARN+"2", map[string][]string{"kms:EncryptionContext:purpose": {"keyset"}}), false},
		{"hub", object("GetObject", "arn:aws:s3:::channelhub-x/a", own), false},
		{"hub", object("PutBucketPolicy", "arn:aws:s3:::channelhub-x", own), false},
		{"hub", request{action: "sts:AssumeRole", resource: "arn:aws:iam::123456789012:role/channelhub-client"}, true},
		{"hub", request{action: "sts:AssumeRole", resource: "arn:aws:iam::123456789012:role/admin"}, false},
		{"hub", request{action: "secretsmanager:GetSecretValue", resource: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf"}, false},
		{"hub", request{action: "logs:PutRetentionPolicy", resource: "arn:aws:logs:eu-west-1:123456789012:log-group:channelhub:"}, true},
		{"hub", request{action: "logs:PutRetentionPolicy", resource: "arn:aws:logs:eu-west-1:123456789012:log-group:another:"}, false},
		{"hub", request{action: "logs:CreateLogGroup", resource: "arn:aws:logs:eu-west-1:123456789012:log-group:channelhub:"}, false},
		{"client", row("PutItem", "c/acme/feed"), true},
		{"client", row("PutItem", "h/token"), false},
		{"client", object("GetObject", "arn:aws:s3:::channelhub-x/a", own), true},
		{"client", object("GetObject", "arn:aws:s3:::channelhub-x/a", foreign), false},
		{"client", object("GetObject", "arn:aws:s3:::another/a", own), false},
		{"client", object("ListBucketMultipartUploads", "arn:aws:s3:::channelhub-x", own), true},
		{"client", object("ListBucketMultipartUploads", "arn:aws:s3:::channelhub-x", foreign), false},
		{"client", object("DeleteBucket", "arn:aws:s3:::channelhub-x", own), false},
		{"client", request{action: "kms:Decrypt", resource: keyARN}, false}, // not through a service
		{"provision", row("PutItem", "h/bucket"), true},
		{"provision", row("GetItem", "h/token"), false},
		{"provision", wrap(keyARN, map[string][]string{"kms:EncryptionContext:purpose": {"keyset"}}), true},
		{"provision", wrap(keyARN, map[string][]string{"kms:EncryptionContext:purpose": {"keyset"}, "kms:EncryptionContext:client": {"acme"}}), false},
		{"provision", row("GetItem", "c/acme/feed"), false},
		{"provision", object("GetObject", "arn:aws:s3:::channelhub-x/a", own), false}, // it makes and removes; it does not read
		{"monitor", object("GetObject", "arn:aws:s3:::channelhub-x/a", own), false},
		{"monitor", row("GetItem", "h/bucket"), true}, // else it cannot know whose settings to see
		{"monitor", row("PutItem", "h/bucket"), false},
		{"monitor", row("GetItem", "h/token"), false},
		{"monitor", request{action: "logs:GetLogEvents", resource: "arn:aws:logs:eu-west-1:123456789012:log-group:channelhub:log-stream:x"}, false},
		{"log-reader", request{action: "logs:GetLogEvents", resource: "arn:aws:logs:eu-west-1:123456789012:log-group:channelhub:log-stream:x"}, true},
		{"log-reader", row("GetItem", "h/token"), false},
		{"maintain", request{action: "dynamodb:UpdateTimeToLive", resource: tableARN}, true},
		{"maintain", row("GetItem", "h/token"), false},
		{"maintain", request{action: "kms:Decrypt", resource: keyARN}, false},
	} {
		if got := readPolicy(t, test.role).allows(test.does); got != test.want {
			t.Errorf("%s: %s on %s with %v is allowed: %v, want %v", test.role, test.does.action, test.does.resource, test.does.context, got, test.want)
		}
	}
}

// TestTemplateHoldsThePolicies compares the roles of the CloudFormation
// template with the policies beside it, and its table with what the driver
// provisions.
func TestTemplateHoldsThePolicies(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "deploy", "aws")
	raw, err := os.ReadFile(filepath.Join(dir, "channelhub.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Policies []struct {
					PolicyName     string
					PolicyDocument json.RawMessage
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("${AWS::Region}", "${Region}", "${AWS::AccountId}", "${Account}",
		"${MasterKey}", "${Key}", "role/${Table}-client", "role/${ClientRole}")
	seen := 0
	for name, r := range template.Resources {
		for _, p := range r.Properties.Policies {
			seen++
			beside, err := os.ReadFile(filepath.Join(dir, "policies", p.PolicyName+".json"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if diff := cmp.Diff(plain(t, beside), plain(t, []byte(names.Replace(string(p.PolicyDocument))))); diff != "" {
				t.Errorf("%s (-policies +template):\n%s", name, diff)
			}
		}
	}
	if all, err := filepath.Glob(filepath.Join(dir, "policies", "*.json")); err != nil || len(all) != seen {
		t.Errorf("%d policies in the template, %d beside it, %v", seen, len(all), err)
	}
}

// plain reads JSON and lets what is in Fn::Sub stand for itself.
func plain(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			if text, ok := v["Fn::Sub"]; ok {
				return text
			}
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		}
		return v
	}
	return walk(v)
}
