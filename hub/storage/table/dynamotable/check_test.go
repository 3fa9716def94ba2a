package dynamotable_test

import (
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/internal/awslocal"
)

func states(t *testing.T, cfg aws.Config, opts *dynamotable.Options) map[string]string {
	t.Helper()
	findings, err := dynamotable.Check(t.Context(), cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range findings {
		out[f.Name] = f.State
		if (f.State == dynamotable.OK) != (f.Mend == "") || strings.Contains(f.Mend, "\n") {
			t.Errorf("%s is %s, and mended by %q", f.Name, f.State, f.Mend)
		}
	}
	return out
}

func TestProvisionedTableIsAsItShouldBe(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	want := map[string]string{
		"table/active": dynamotable.OK, "table/keys": dynamotable.OK, "table/encryption": dynamotable.OK,
		"table/expiry": dynamotable.OK, "table/protection": dynamotable.OK,
	}
	if diff := cmp.Diff(want, states(t, cfg, opts)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if err := dynamotable.Provision(t.Context(), cfg, opts, nil); err != nil {
		t.Errorf("provision what is there: %v", err)
	}
}

// TestOpenRefusesATableThatIsNot demands that what is missing is named, and
// that Open refuses what it must not use.
func TestOpenRefusesATableThatIsNot(t *testing.T) {
	cfg := config(t)
	opts := &dynamotable.Options{Table: "none-" + rand.Text(), Endpoint: awslocal.DynamoDB(t)}
	if _, err := dynamotable.Open(t.Context(), cfg, opts); !model.Is(err, model.NotFound) || !strings.Contains(err.Error(), opts.Table) {
		t.Errorf("error = %v, want code %q and the table's name", err, model.NotFound)
	}

	raw := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &opts.Endpoint })
	_, err := raw.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &opts.Table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"table/active": dynamotable.OK, "table/keys": dynamotable.Failed,
		"table/encryption": dynamotable.Warned, // an endpoint of one's own that does not report it
		"table/expiry":     dynamotable.Failed, "table/protection": dynamotable.Warned,
	}
	if diff := cmp.Diff(want, states(t, cfg, opts)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if _, err := dynamotable.Open(t.Context(), cfg, opts); !model.Is(err, model.Invalid) || !strings.Contains(err.Error(), "table/keys") {
		t.Errorf("error = %v, want code %q and the check that failed", err, model.Invalid)
	}
}

// scopes gives each client credentials of its own and notes for whom.
type scopes struct {
	mu    sync.Mutex
	asked []awsconfig.ClientScope
}

func (s *scopes) ForClient(scope awsconfig.ClientScope) aws.CredentialsProvider {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, scope)
	return credentials.NewStaticCredentialsProvider("AKIA"+strings.ToUpper(string(scope.Client)), "x", "")
}

// TestClientsRowsAreReachedAsThatClient looks at who signed: a client's rows
// are reached with that client's credentials, the hub's with its own.
func TestClientsRowsAreReachedAsThatClient(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	proxy := awslocal.NewProxy(t, opts.Endpoint)
	own := &scopes{}
	opts.Endpoint, opts.Clients = proxy.URL, own
	tbl := table.New(open(t.Context(), t, cfg, opts), nil)
	proxy.Signers() // those of Open
	for _, test := range []struct {
		rows   table.Handle
		signer string
	}{
		{tbl.For("acme"), "AKIAACME"}, {tbl.For("other"), "AKIAOTHER"}, {tbl.Hub(), "test"}, {tbl.For("acme"), "AKIAACME"},
	} {
		if _, err := test.rows.Commit(t.Context(), table.Put("p", "s", nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := test.rows.Commit(t.Context(), table.Put("p", "s", nil), table.Put("q", "s", nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := test.rows.Get(t.Context(), "p", "s"); err != nil {
			t.Fatal(err)
		}
		if _, err := test.rows.Query(t.Context(), table.Query{PK: "p", Limit: 1}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{test.signer, test.signer, test.signer, test.signer}, proxy.Signers()); diff != "" {
			t.Errorf("I8: who signed (-want +got):\n%s", diff)
		}
	}
	if len(own.asked) != 2 || own.asked[0].Client != "acme" || !strings.HasSuffix(own.asked[0].TableARN, "table/"+opts.Table) {
		t.Errorf("credentials were asked for %+v", own.asked)
	}
}
