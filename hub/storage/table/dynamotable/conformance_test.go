package dynamotable_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// config is what a hub of the region eu-west-1 would load.
func config(t *testing.T) aws.Config {
	t.Helper()
	awslocal.Credentials(t)
	a, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	return a.Config()
}

// provisioned makes a table of the test's own.
func provisioned(t *testing.T, cfg aws.Config) *dynamotable.Options {
	t.Helper()
	opts := &dynamotable.Options{Table: "t-" + rand.Text(), Endpoint: awslocal.DynamoDB(t)}
	if err := dynamotable.Provision(t.Context(), cfg, opts, nil); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return opts
}

func open(ctx context.Context, t *testing.T, cfg aws.Config, opts *dynamotable.Options) *dynamotable.Store {
	t.Helper()
	st, err := dynamotable.Open(ctx, cfg, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return st
}

func TestConformance(t *testing.T) {
	cfg := config(t)
	opts := provisioned(t, cfg)
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Driver { return open(t.Context(), t, cfg, opts) },
		Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t.Context(), t, cfg, opts)
		},
	})
}
