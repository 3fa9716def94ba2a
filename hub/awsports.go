package hub

import (
	"context"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/kmskeys"
	"github.com/channelhub/channelhub/hub/storage/logsink/cloudwatchsink"
)

// loadAWS returns what the AWS drivers share, made at the first call: a hub
// that uses none of them needs neither credentials nor a region.
func (h *Hub) loadAWS(ctx context.Context) (*awsconfig.AWS, error) {
	if h.aws != nil {
		return h.aws, nil
	}
	settings := h.opts.Config.AWS
	loaded, err := awsconfig.Load(ctx, awsconfig.Settings{
		Region: settings.Region, RoleARN: settings.RoleARN, ClientRoleARN: settings.ClientRoleARN,
		Record: h.opts.RecordAWS,
	})
	h.aws = loaded
	return loaded, err
}

// openKMS opens the kms driver. Which key is a client's follows the
// configuration in force; one that it has dropped keeps the key that it had.
func (h *Hub) openKMS(ctx context.Context) (*kmskeys.Keys, error) {
	shared, err := h.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	kms := h.opts.Config.Storage.Keys.KMS
	return kmskeys.New(shared.Config(), kmskeys.Options{
		Endpoint: kms.Endpoint, Former: kms.FormerKeyIDs,
		KeyID: func(client model.ClientID) string {
			if id, ok := h.known.keyID(h.config.Load(), client); ok {
				return id
			}
			return keyID(h.config.Load(), client)
		},
	}), nil
}

// keyID is the KMS key of a client; the empty client stands for the hub.
func keyID(cfg *config.Config, client model.ClientID) string {
	if own := cfg.Clients[client].KMSKeyID; client != "" && own != "" {
		return own
	}
	return cfg.Storage.Keys.KMS.KeyID
}

// openCloudWatch opens the cloudwatch sink.
func (h *Hub) openCloudWatch(ctx context.Context) (*cloudwatchsink.Sink, error) {
	shared, err := h.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	settings := h.opts.Config.Logging.CloudWatch
	return cloudwatchsink.Open(ctx, shared.Config(), cloudwatchsink.Options{
		Endpoint: settings.Endpoint, Group: settings.Group, RetentionDays: settings.Retention.Days(),
		KMSKeyID: settings.KMSKeyID, OnDrop: h.metrics.LogDropped,
	})
}

// keyCheckEvery bounds how often anybody who looks at /readyz makes the key
// service be asked.
const keyCheckEvery = 5 * time.Second

// keyCheck is the last look at the hub's root key.
type keyCheck struct {
	mu    sync.Mutex
	at    time.Time
	state string
	err   error
}

// look says whether the root key can be used: the state "" is that it can.
func (k *keyCheck) look(ctx context.Context, root *keys.Keys) (state string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); k.at.IsZero() || now.Sub(k.at) >= keyCheckEvery {
		d, err := root.Describe(ctx, "")
		k.at, k.state, k.err = now, "", err
		if err == nil && d.State != keys.Enabled {
			k.state = string(d.State)
		}
	}
	return k.state, k.err
}
