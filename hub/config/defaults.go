package config

import (
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// Defaults returns the configuration of an operator who wrote nothing. The
// caller owns it.
func Defaults() *Config {
	return &Config{
		DataDir: "./data",
		Include: []string{},
		Listeners: Listeners{
			Public: PublicListener{Address: "127.0.0.1:8080", TrustedProxies: []string{}},
			Admin:  AdminListener{Address: "127.0.0.1:8081"},
		},
		Storage: Storage{
			Table:    TableStorage{Driver: DriverEmbedded, DynamoDB: DynamoDB{Table: "channelhub"}},
			Blob:     BlobStorage{Driver: DriverFile, S3: S3{BucketPrefix: "channelhub-"}, Seal: "auto"},
			Keys:     KeyStorage{Driver: DriverLocal, KMS: KMS{KeyID: "alias/channelhub", FormerKeyIDs: []string{}}},
			Dispatch: DispatchStorage{Driver: DriverEmbedded},
		},
		Logging: Logging{
			Level: "info", Sink: SinkStderr,
			File:       LogFile{Path: "hub.log", MaxSize: 64 << 20, Keep: 5},
			CloudWatch: CloudWatch{Group: "channelhub", Retention: Duration(30 * day)},
		},
		AWS: AWS{Region: "eu-west-1"},
		Retention: Retention{
			Messages:       Duration(day),
			Undelivered:    Duration(7 * day),
			DeadLetters:    Duration(14 * day),
			Attachments:    Duration(day),
			AttachmentLink: Duration(time.Hour),
			SignedURL:      Duration(15 * time.Minute),
			Dedupe:         Duration(8 * day),
			Idempotency:    Duration(day),
			Audit:          Duration(397 * day),
		},
		Media:   Media{Images: "reencode"},
		Access:  Access{BootstrapTokens: map[string]BootstrapToken{}},
		Plugins: map[model.PluginID]Plugin{},
		Clients: map[model.ClientID]Client{},
	}
}

// Defaults of one entry of a map, for every id that any layer names.

func defaultPlugin() Plugin {
	return Plugin{
		Enabled: true, Isolation: "shared", Contain: "off",
		Config: map[string]any{}, Egress: []string{},
	}
}

func defaultClient() Client {
	return Client{
		Delivery: DeliveryFeed,
		Webhook:  Webhook{Secrets: []Secret{}},
		Accounts: map[model.AccountID]Account{},
	}
}

func defaultAccount() Account {
	return Account{
		Enabled: true, OnUnknownAfter: OnUnknownFail,
		Config: map[string]any{}, Secrets: map[string][]Secret{},
		Attachments: AttachmentRules{Allow: []string{}},
	}
}
