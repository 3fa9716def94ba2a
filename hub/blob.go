package hub

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/store"
)

// openBlob opens the driver of attachment bytes that configuration names. It
// comes behind the store, which knows the buckets. With it comes what removes
// the place of a client that is gone; a bucket is removed under another role,
// not here, and there is nil.
func (h *Hub) openBlob(ctx context.Context) (*blob.Store, func(model.ClientID) error, error) {
	cfg := h.opts.Config
	if cfg.Storage.Blob.Driver != config.DriverS3 {
		files, err := fileblob.Open(filepath.Join(cfg.DataDir, "blobs"))
		if err != nil {
			return nil, nil, err
		}
		return blob.New(files, nil), files.Remove, nil
	}
	shared, err := h.loadAWS(ctx)
	if err != nil {
		return nil, nil, err
	}
	noted := &buckets{rows: h.store, region: shared.Region(), known: map[model.ClientID]bucket{}}
	return blob.New(s3blob.New(shared.Config(), noted.resolve, &s3blob.Options{
		Endpoint: cfg.Storage.Blob.S3.Endpoint, Clients: shared,
	}), nil), nil, nil
}

// bucketsFor is how long a bucket is known by heart: as long as a client that
// was removed and added again may have to wait.
const bucketsFor = time.Minute

// buckets looks up clients' buckets. It is safe for concurrent use.
type buckets struct {
	rows   *store.Store
	region string

	mu    sync.Mutex
	known map[model.ClientID]bucket
}

type bucket struct {
	s3blob.Bucket
	until time.Time
}

func (b *buckets) resolve(ctx context.Context, client model.ClientID) (s3blob.Bucket, error) {
	now := time.Now()
	b.mu.Lock()
	known, ok := b.known[client]
	b.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.Bucket, nil
	}
	row, err := b.rows.Bucket(ctx, client)
	if err != nil {
		return s3blob.Bucket{}, err
	}
	if row.Region != b.region {
		return s3blob.Bucket{}, model.Errorf(model.Denied, "find bucket",
			"the bucket of client %s is in region %s, and this fleet serves %s", client, row.Region, b.region)
	}
	found := s3blob.Bucket{Name: row.Name, Owner: row.Owner, KeyID: row.KeyID}
	b.mu.Lock()
	b.known[client] = bucket{found, now.Add(bucketsFor)}
	b.mu.Unlock()
	return found, nil
}

// blobCheckEvery bounds how often anybody who looks at /readyz makes the store
// of attachment bytes be asked.
const blobCheckEvery = 2 * time.Second

// blobCheck is the last look at the store of attachment bytes.
type blobCheck struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// look asks for something of the client's that nobody ever put there.
func (b *blobCheck) look(ctx context.Context, blobs *blob.Store, client model.ClientID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.at.IsZero() || now.Sub(b.at) >= blobCheckEvery {
		b.at = now
		if _, b.err = blobs.For(client).Head(ctx, blob.NewKey()); model.Is(b.err, model.NotFound) {
			b.err = nil
		}
	}
	return b.err
}

// aClientWithFiles is a client that has a place for attachments; false when
// there is none.
func (h *Hub) aClientWithFiles(ctx context.Context) (model.ClientID, bool) {
	for _, c := range h.accounts.Clients() {
		if h.opts.Config.Storage.Blob.Driver != config.DriverS3 {
			return c.ID, true
		}
		if _, err := h.store.Bucket(ctx, c.ID); err == nil {
			return c.ID, true
		}
	}
	return "", false
}
