package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/logsink/cloudwatchsink"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/hub/store"
)

const (
	// skewWarned is what AWS and the signed URLs forgive easily; at skewFailed
	// AWS is about to refuse every call, which it does from 5 minutes on.
	skewWarned = 30 * time.Second
	skewFailed = 4 * time.Minute
)

// usesAWS tells whether any driver calls AWS.
func usesAWS(cfg *config.Config) bool {
	s := cfg.Storage
	return s.Table.Driver == config.DriverDynamoDB || s.Blob.Driver == config.DriverS3 ||
		s.Keys.Driver == config.DriverKMS || cfg.Logging.Sink == config.SinkCloudWatch
}

// aws checks the credentials, the region and the clock.
func (d *doctor) aws(ctx context.Context) {
	if !usesAWS(d.cfg) {
		return
	}
	d.ok("aws/region", "%s; %d clients, none of another region", d.cfg.AWS.Region, len(d.cfg.Clients))
	shared, err := d.hub.loadAWS(ctx)
	if err != nil {
		d.trouble("aws/credentials", "sts:AssumeRole on aws.role_arn", err)
		return
	}
	id, err := shared.Identity(ctx)
	if err != nil {
		d.trouble("aws/credentials", "sts:AssumeRole on aws.role_arn", err)
		return
	}
	d.ok("aws/credentials", "%s", id.ARN)
	switch skew := id.Skew.Round(time.Second); {
	case skew.Abs() >= skewFailed:
		d.fail("clock/aws", "set the clock, and keep it by NTP", "the clock is %s off AWS's", skew)
	case skew.Abs() >= skewWarned:
		d.warn("clock/aws", "set the clock, and keep it by NTP", "the clock is %s off AWS's", skew)
	default:
		d.ok("clock/aws", "within %s of AWS's", skew.Abs()+time.Second)
	}
	if d.cfg.AWS.ClientRoleARN == "" && d.cfg.Storage.Table.Driver == config.DriverDynamoDB {
		d.warn("aws/client_role", "set aws.client_role_arn; see deploy/aws", "code that handles one client can reach the data of all")
	}
}

func (d *doctor) table(ctx context.Context) {
	if d.cfg.Storage.Table.Driver != config.DriverDynamoDB {
		d.private("table", d.in("table"), true)
		return
	}
	shared, err := d.hub.loadAWS(ctx)
	if err != nil {
		return // aws has told
	}
	settings := d.cfg.Storage.Table.DynamoDB
	opts := &dynamotable.Options{Table: settings.Table, Endpoint: settings.Endpoint, Clients: shared}
	findings, err := dynamotable.Check(ctx, shared.Config(), opts)
	if err != nil {
		d.trouble("table", "dynamodb:DescribeTable and dynamodb:DescribeTimeToLive", err)
		return
	}
	usable := true
	for _, f := range findings {
		usable = usable && f.State != dynamotable.Failed
		d.found = append(d.found, Finding{f.Name, stateOf(f.State), f.Detail, f.Mend})
	}
	if !usable {
		return
	}
	rows, err := dynamotable.Open(ctx, shared.Config(), opts)
	if err != nil {
		d.trouble("table/permissions", "dynamodb:DescribeTable", err)
		return
	}
	d.hub.storage = &storage{table: table.New(rows, nil)}
	d.rows(ctx, "table/permissions", d.hub.storage.table.Hub())
	if d.cfg.AWS.ClientRoleARN != "" {
		for _, id := range slices.Sorted(maps.Keys(d.cfg.Clients)) {
			d.rows(ctx, "client/"+string(id)+"/table", d.hub.storage.table.For(id))
		}
	}
}

// rows tries what the hub does with rows: reads, and a write and a deletion
// whose condition cannot be fulfilled, so that nothing is written.
func (d *doctor) rows(ctx context.Context, name string, rows table.Handle) {
	const pk = "doctor"
	_, err := rows.Get(ctx, pk, pk)
	if err != nil && !model.Is(err, model.NotFound) {
		d.trouble(name, "dynamodb:GetItem", err)
		return
	}
	if _, err := rows.Query(ctx, table.Query{PK: pk, Limit: 1}); err != nil {
		d.trouble(name, "dynamodb:Query", err)
		return
	}
	var absent table.Version
	_, _ = rand.Read(absent[:]) // it never fails
	for action, op := range map[string]table.Op{
		"dynamodb:PutItem": table.Put(pk, pk, nil).IfVersion(absent), "dynamodb:DeleteItem": table.Delete(pk, pk).IfVersion(absent),
	} {
		_, err := rows.Commit(ctx, op)
		if _, conflict := errors.AsType[*table.ConflictError](err); !conflict {
			d.trouble(name, action, err)
			return
		}
	}
	d.ok(name, "rows can be read and written")
}

func stateOf(state string) string {
	switch state {
	case dynamotable.OK:
		return FoundOK
	case dynamotable.Warned:
		return FoundWarn
	}
	return FoundFail
}

// keys wraps and unwraps a secret of no meaning under each root key.
func (d *doctor) keys(ctx context.Context) {
	if d.cfg.Storage.Keys.Driver != config.DriverKMS {
		return
	}
	root, err := d.hub.openKMS(ctx)
	if err != nil {
		return // aws has told
	}
	port := keys.New(root)
	d.key(ctx, "keys/hub", port, keys.Context{Purpose: "doctor"})
	for _, id := range slices.Sorted(maps.Keys(d.cfg.Clients)) {
		if d.cfg.Clients[id].KMSKeyID != "" {
			d.key(ctx, "client/"+string(id)+"/key", port, keys.Context{Client: id, Purpose: "doctor"})
		}
	}
}

func (d *doctor) key(ctx context.Context, name string, port *keys.Keys, kc keys.Context) {
	about, err := port.Describe(ctx, kc.Client)
	if err != nil {
		d.trouble(name, "kms:DescribeKey", err)
		return
	}
	if about.State != keys.Enabled {
		d.fail(name, "enable the key, cancel its deletion, or name another", "the key %s is %s", about.KeyID, about.State)
		return
	}
	wrapped, err := port.Wrap(ctx, kc, []byte("doctor"))
	if err != nil {
		d.trouble(name, "kms:Encrypt", err)
		return
	}
	if _, err := port.Unwrap(ctx, kc, wrapped); err != nil {
		d.trouble(name, "kms:Decrypt", err)
		return
	}
	d.ok(name, "%s wraps and unwraps", about.KeyID)
}

func (d *doctor) blobs(ctx context.Context) {
	if d.cfg.Storage.Blob.Driver != config.DriverS3 {
		d.private("blob", d.in("blobs"), true)
		return
	}
	if d.hub.storage == nil {
		d.warn("blob", "mend the table first, or look with the hub stopped", "the buckets are noted in the table, which is not open")
		return
	}
	shared, err := d.hub.loadAWS(ctx)
	if err != nil {
		return // aws has told
	}
	// Bucket rows are plain: no key opens them.
	d.hub.store = store.New(d.hub.storage.table, nil, nil)
	admin := s3blob.NewAdmin(shared.Config(), &s3blob.AdminOptions{Endpoint: d.cfg.Storage.Blob.S3.Endpoint})
	objects, _, err := d.hub.openBlob(ctx)
	if err != nil {
		d.trouble("blob", "s3:GetObject", err)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(d.cfg.Clients)) {
		d.bucket(ctx, admin, objects, id)
	}
}

// bucket looks at a client's bucket. A role that serves need not be allowed to
// read its settings.
func (d *doctor) bucket(ctx context.Context, admin *s3blob.Admin, objects *blob.Store, client model.ClientID) {
	name := "client/" + string(client) + "/bucket"
	row, err := d.hub.store.Bucket(ctx, client)
	if model.Is(err, model.NotFound) {
		d.fail(name, "run hub client add "+string(client), "the client has no bucket")
		return
	}
	if err != nil {
		d.trouble(name, "dynamodb:GetItem", err)
		return
	}
	if row.Region != d.cfg.AWS.Region {
		d.fail(name, "run hub client remove and add in the region of this fleet", "it is in %s, and this fleet serves %s", row.Region, d.cfg.AWS.Region)
		return
	}
	d.objects(ctx, "client/"+string(client)+"/objects", objects.For(client))
	if key, err := d.hub.bucketKey(ctx, client); err != nil {
		d.trouble(name+"/key", "kms:DescribeKey", err)
	} else if key != row.KeyID {
		d.fail(name+"/key", "run hub client add "+string(client), "its files are encrypted under %s, and the configuration names %s", row.KeyID, key)
	}
	findings, err := admin.Check(ctx, wishOf(d.cfg, client, row))
	switch {
	case model.Is(err, model.Denied):
		d.warn(name, "run hub doctor with the monitor role of deploy/aws", "its settings are not for this role to see")
	case err != nil:
		d.trouble(name, "the reading actions of the monitor role", err)
	case len(findings) == 0:
		d.ok(name, "private, encrypted under its key, TLS alone, emptied by lifecycle")
	}
	for _, f := range findings {
		d.fail(name+"/"+f.Name, f.Mend, "%s", f.Says)
	}
}

func (d *doctor) log(ctx context.Context) {
	settings := d.cfg.Logging
	switch settings.Sink {
	case config.SinkFile:
		dir := filepath.Dir(settings.File.Path)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			d.fail("log", "mkdir "+dir, "the directory of %s is not there", settings.File.Path)
			return
		}
		d.private("log", settings.File.Path, false)
	case config.SinkCloudWatch:
		shared, err := d.hub.loadAWS(ctx)
		if err != nil {
			return // aws has told
		}
		cloud := settings.CloudWatch
		opts := cloudwatchsink.Options{
			Endpoint: cloud.Endpoint, Group: cloud.Group, RetentionDays: cloud.Retention.Days(), KMSKeyID: cloud.KMSKeyID,
		}
		findings, err := cloudwatchsink.Check(ctx, shared.Config(), opts)
		if err != nil {
			d.trouble("log", "logs:DescribeLogGroups", err)
			return
		}
		for _, f := range findings {
			d.found = append(d.found, Finding{"log/" + f.Name, stateOf(f.State), f.Detail, f.Mend})
		}
		if findings[0].State == cloudwatchsink.OK { // the group is there
			d.logLine(ctx, shared, opts)
		}
	default:
		d.ok("log", "standard error")
	}
}
