package hub

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Provisioner makes and removes what a client has for itself in AWS: its
// bucket. It acts with credentials of its own, which the hub that serves does
// not have, beside that hub if the table is in DynamoDB.
type Provisioner struct {
	hub     *Hub
	buckets *s3blob.Admin
	actor   awsconfig.Identity
}

// ProvisionOptions may be nil.
type ProvisionOptions struct {
	// RoleARN is a role to assume. Empty: the credentials at hand. The hub's
	// own role, aws.role_arn, is never used.
	RoleARN string
	// RecordAWS is told of every call to AWS, as in Options.
	RecordAWS func(awsconfig.Call)
}

// NewProvisioner opens the table and finds out who acts.
func NewProvisioner(ctx context.Context, cfg *config.Config, opts *ProvisionOptions) (*Provisioner, error) {
	if opts == nil {
		opts = &ProvisionOptions{}
	}
	if cfg.Storage.Blob.Driver != config.DriverS3 {
		return nil, model.Errorf(model.Invalid, "provision", "storage.blob.driver is %s: only s3 has buckets of clients", cfg.Storage.Blob.Driver)
	}
	own := *cfg
	own.AWS.RoleARN, own.AWS.ClientRoleARN = opts.RoleARN, ""
	h := &Hub{opts: Options{Config: &own, RecordAWS: opts.RecordAWS}, metrics: telemetry.New("provision"), log: hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off})}
	h.config.Store(&own)
	shared, err := h.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	p := &Provisioner{hub: h, buckets: s3blob.NewAdmin(shared.Config(), &s3blob.AdminOptions{Endpoint: cfg.Storage.Blob.S3.Endpoint})}
	if p.actor, err = shared.Identity(ctx); err != nil {
		return nil, err
	}
	h.storage = &storage{}
	existed, err := h.openTable(ctx, h.storage)
	if err != nil {
		return nil, err
	}
	// Bucket and audit rows are plain, but the audit log's checkpoint is signed
	// under the hub's own keyset.
	if h.storage.keys, err = h.openKeys(ctx, existed); err != nil {
		return nil, errors.Join(err, h.storage.table.Close())
	}
	h.store = store.New(h.storage.table, h.storage.keys, nil)
	return p, nil
}

// Close ends what NewProvisioner opened.
func (p *Provisioner) Close() error {
	return errors.Join(p.hub.storage.table.Close(), p.hub.storage.keys.Close())
}

// Add gives a client of the configuration its bucket and puts every setting
// as it is to be, and returns the bucket's name. It may be repeated: that goes
// on where it failed, and mends what was changed.
func (p *Provisioner) Add(ctx context.Context, client model.ClientID) (bucket string, err error) {
	cfg := p.hub.opts.Config
	if _, ok := cfg.Clients[client]; !ok {
		return "", model.Errorf(model.NotFound, "add client", "there is no client %s in the configuration", client)
	}
	key, err := p.hub.bucketKey(ctx, client)
	if err != nil {
		return "", err
	}
	row, err := p.hub.store.Bucket(ctx, client)
	if model.Is(err, model.NotFound) {
		row, err = p.note(ctx, client, key)
	}
	if err != nil {
		return "", err
	}
	if row.Region != cfg.AWS.Region {
		return "", model.Errorf(model.Conflicting, "add client", "its bucket is in %s, and this fleet serves %s", row.Region, cfg.AWS.Region)
	}
	// The note first: the hub names the key in every write, and the bucket's
	// default is for nobody but the doctor.
	if row, err = p.hub.store.ChangeBucketKey(ctx, client, key, p.act("client.add", client)); err != nil {
		return "", err
	}
	return row.Name, p.buckets.Provision(ctx, wishOf(cfg, client, row))
}

// bucketKey is the key that a client's bucket is to encrypt under by the
// configuration. S3 resolves an alias in the account of whoever writes: the
// ARN is one key for everybody.
func (h *Hub) bucketKey(ctx context.Context, client model.ClientID) (string, error) {
	root, err := h.openKMS(ctx)
	if err != nil {
		return "", err
	}
	key, err := root.Describe(ctx, client)
	return key.KeyID, err
}

// note writes down a bucket before it is made, so that none is ever there
// that nobody knows of.
func (p *Provisioner) note(ctx context.Context, client model.ClientID, key string) (store.Bucket, error) {
	cfg := p.hub.opts.Config
	name, err := s3blob.NewBucketName(cfg.Storage.Blob.S3.BucketPrefix)
	if err != nil {
		return store.Bucket{}, err
	}
	row := store.Bucket{Name: name, Owner: p.actor.Account, Region: cfg.AWS.Region, KeyID: key}
	err = p.hub.store.NoteBucket(ctx, client, row, p.act("client.add", client))
	return row, err
}

// Remove removes a client's bucket with all that is in it. The client must
// have left the configuration: a hub that serves it would go on asking.
func (p *Provisioner) Remove(ctx context.Context, client model.ClientID) error {
	if _, ok := p.hub.opts.Config.Clients[client]; ok {
		return model.Errorf(model.Conflicting, "remove client", "client %s is in the configuration: take it out first", client)
	}
	row, err := p.hub.store.Bucket(ctx, client)
	if model.Is(err, model.NotFound) {
		return model.Errorf(model.NotFound, "remove client", "client %s has no bucket", client)
	}
	if err != nil {
		return err
	}
	act := p.act("client.remove", client)
	act.Outcome = "begun"
	if err := p.hub.store.Audit(ctx, act); err != nil {
		return err
	}
	if err := p.buckets.Deprovision(ctx, s3blob.Bucket{Name: row.Name, Owner: row.Owner, KeyID: row.KeyID}); err != nil {
		act.Outcome = string(model.CodeOf(err))
		return errors.Join(err, p.hub.store.Audit(ctx, act))
	}
	return p.hub.store.ForgetBucket(ctx, client, p.act("client.remove", client))
}

func (p *Provisioner) act(action string, client model.ClientID) store.Act {
	return store.Act{Actor: p.actor.ARN, Role: "provision", Action: action, Subject: "client/" + string(client), Outcome: "done"}
}

// wishOf is how a client's bucket is to be: S3 removes what the hub should
// have removed, counted in whole days.
func wishOf(cfg *config.Config, client model.ClientID, row store.Bucket) s3blob.Wish {
	const day = 24 * time.Hour
	life := time.Duration(cfg.RetentionOf(client).Attachments)
	return s3blob.Wish{
		Bucket: s3blob.Bucket{Name: row.Name, Owner: row.Owner, KeyID: row.KeyID},
		Days:   int32(max(1, (life+day-1)/day)),
	}
}
