package config

import (
	"github.com/channelhub/channelhub/hub/model"
)

// Config is what the operator wrote, with the defaults filled in and the
// references resolved. It is made by Load and never changed afterwards: a
// reload makes another one. Any number of goroutines may read it.
//
// Relative paths in it are relative to the working directory of the process.
type Config struct {
	DataDir   string    `json:"data_dir" doc:"Directory of everything the embedded drivers keep. Relative to the working directory."`
	Include   []string  `json:"include" doc:"More files to read, as glob patterns relative to this file. A pattern without a wildcard must name a file that exists."`
	Demo      bool      `json:"demo" doc:"Serves the demo pages of the web chat. Refused when a listener is not on loopback."`
	Listeners Listeners `json:"listeners" doc:"The two addresses the hub listens on."`
	Storage   Storage   `json:"storage" doc:"Which driver stands behind each storage port."`
	Logging   Logging   `json:"logging" doc:"How much is logged, and where to."`
	AWS       AWS       `json:"aws" doc:"The AWS region and roles, for the drivers that use AWS."`
	Retention Retention `json:"retention" doc:"How long each class of data lives. Durations take d, h, m and s: 7d, 24h, 1d12h."`
	Access    Access    `json:"access" doc:"Who may call the APIs before any token has been created."`
	Media     Media     `json:"media" doc:"What happens to attachments on their way."`

	Plugins map[model.PluginID]Plugin `json:"plugins" doc:"Connectors, keyed by name; usually one file each in plugins.d/."`
	Clients map[model.ClientID]Client `json:"clients" doc:"Clients, keyed by id; usually one file each in clients.d/."`

	origin *origin // nil for a Config that did not come from Load
}

// Listeners are the two sockets of the hub.
type Listeners struct {
	Public PublicListener `json:"public" doc:"Provider webhooks, web chat, attachment links and the client API."`
	Admin  AdminListener  `json:"admin" doc:"The admin API, metrics and the client API. Plain text beyond loopback is refused unless behind_proxy."`
}

// PublicListener is the socket that providers, browsers and client
// applications reach.
type PublicListener struct {
	Address        string   `json:"address" doc:"Host and port to listen on. Port 0 takes any free port." jsonschema:"example=127.0.0.1:8080"`
	ExternalURL    string   `json:"external_url" doc:"Base URL under which the outside reaches this listener. Empty: it follows the bound address." jsonschema:"example=https://hub.example.com"`
	TLS            TLS      `json:"tls" doc:"Certificate and key; both or none."`
	BehindProxy    bool     `json:"behind_proxy" doc:"A proxy in front ends TLS, so plain text beyond loopback is allowed."`
	TrustedProxies []string `json:"trusted_proxies" doc:"Addresses or networks of the proxies whose X-Forwarded-For is believed." jsonschema:"example=10.0.0.0/8"`
}

// AdminListener is the socket that operators reach.
type AdminListener struct {
	Address     string `json:"address" doc:"Host and port to listen on. Port 0 takes any free port." jsonschema:"example=127.0.0.1:8081"`
	TLS         TLS    `json:"tls" doc:"Certificate and key; both or none."`
	BehindProxy bool   `json:"behind_proxy" doc:"A proxy in front ends TLS, so plain text beyond loopback is allowed."`
}

// TLS names the certificate of a listener. The zero value is plain text.
type TLS struct {
	CertFile string `json:"cert_file" doc:"PEM file with the certificate chain."`
	KeyFile  string `json:"key_file" doc:"PEM file with the private key."`
}

// Enabled reports whether the listener speaks TLS.
func (t TLS) Enabled() bool { return t.CertFile != "" || t.KeyFile != "" }

// Storage chooses a driver for each port.
type Storage struct {
	Table    TableStorage    `json:"table" doc:"Rows: events, deliveries, cursors, journal."`
	Blob     BlobStorage     `json:"blob" doc:"Attachment bytes."`
	Keys     KeyStorage      `json:"keys" doc:"Key encryption keys."`
	Dispatch DispatchStorage `json:"dispatch" doc:"How work is handed to the hub that does it."`
}

// The names of the storage drivers.
const (
	DriverEmbedded = "embedded"
	DriverDynamoDB = "dynamodb"
	DriverFile     = "file"
	DriverS3       = "s3"
	DriverLocal    = "local"
	DriverKMS      = "kms"
	DriverSQS      = "sqs"
)

// TableStorage chooses the driver of the table port.
type TableStorage struct {
	Driver   string   `json:"driver" doc:"embedded keeps rows under data_dir; dynamodb keeps them in one DynamoDB table." jsonschema:"enum=embedded,enum=dynamodb"`
	DynamoDB DynamoDB `json:"dynamodb" doc:"Settings of the dynamodb driver."`
}

// DynamoDB holds the settings of the dynamodb table driver.
type DynamoDB struct {
	Table    string `json:"table" doc:"Name of the table."`
	Endpoint string `json:"endpoint" doc:"Base URL instead of the region's own; for a local stand-in, or a VPC endpoint without private DNS. https, unless it is on loopback."`
}

// BlobStorage chooses the driver of the blob port.
type BlobStorage struct {
	Driver string `json:"driver" doc:"file keeps attachments under data_dir; s3 keeps them in buckets." jsonschema:"enum=file,enum=s3"`
	S3     S3     `json:"s3" doc:"Settings of the s3 driver."`
	Seal   string `json:"seal" doc:"Who encrypts attachment bytes. auto: the hub, unless the driver does. always: the hub, whatever the driver does." jsonschema:"enum=auto,enum=always"`
}

// S3 holds the settings of the s3 blob driver.
type S3 struct {
	BucketPrefix string `json:"bucket_prefix" doc:"What every bucket name begins with."`
	Endpoint     string `json:"endpoint" doc:"Base URL instead of the region's own; for a local stand-in, or a VPC endpoint without private DNS. https, unless it is on loopback."`
}

// KeyStorage chooses the driver of the keys port.
type KeyStorage struct {
	Driver string `json:"driver" doc:"local keeps the root key under data_dir; kms uses AWS KMS." jsonschema:"enum=local,enum=kms"`
	KMS    KMS    `json:"kms" doc:"Settings of the kms driver."`
}

// KMS holds the settings of the kms keys driver.
type KMS struct {
	KeyID        string   `json:"key_id" doc:"Key of the hub's own data, and of every client that names none of its own: an id, an ARN or an alias." jsonschema:"example=alias/channelhub"`
	FormerKeyIDs []string `json:"former_key_ids" doc:"Keys that wrap no more and still open what they wrapped."`
	Endpoint     string   `json:"endpoint" doc:"Base URL instead of the region's own; for a local stand-in, or a VPC endpoint without private DNS. https, unless it is on loopback."`
}

// DispatchStorage chooses the driver of the dispatch port.
type DispatchStorage struct {
	Driver string `json:"driver" doc:"embedded hands work over inside the process. sqs is reserved." jsonschema:"enum=embedded,enum=sqs"`
	SQS    SQS    `json:"sqs" doc:"Reserved: settings of the sqs driver."`
}

// SQS holds the settings of the sqs dispatch driver.
type SQS struct {
	QueueURL string `json:"queue_url" doc:"URL of the queue."`
	Endpoint string `json:"endpoint" doc:"Base URL instead of the region's own; for a local stand-in, or a VPC endpoint without private DNS. https, unless it is on loopback."`
}

// The names of the log sinks.
const (
	SinkStderr     = "stderr"
	SinkFile       = "file"
	SinkCloudWatch = "cloudwatch"
)

// Logging says how much is logged, and where to.
type Logging struct {
	Level      string     `json:"level" doc:"The least severe level that is written." jsonschema:"enum=trace,enum=debug,enum=info,enum=warn,enum=error"`
	Sink       string     `json:"sink" doc:"Where log lines go." jsonschema:"enum=stderr,enum=file,enum=cloudwatch"`
	File       LogFile    `json:"file" doc:"Settings of the file sink."`
	CloudWatch CloudWatch `json:"cloudwatch" doc:"Settings of the cloudwatch sink."`
}

// LogFile holds the settings of the file sink.
type LogFile struct {
	Path    string `json:"path" doc:"File to append to, made with mode 0600. Relative to the working directory."`
	MaxSize int64  `json:"max_size" doc:"Size in bytes at which the file is set aside and another begun." jsonschema:"minimum=65536,maximum=107374182400"`
	Keep    int    `json:"keep" doc:"How many files that were set aside stay; the oldest goes first. 0: none." jsonschema:"minimum=0,maximum=10000"`
}

// CloudWatch holds the settings of the cloudwatch sink.
type CloudWatch struct {
	Group     string   `json:"group" doc:"Name of the log group, made if it is absent. Each start of a hub writes a stream of its own."`
	Retention Duration `json:"retention" doc:"How long the group keeps what is written, set on it at each start; one of the periods CloudWatch knows. 0d: the group is left as it is."`
	KMSKeyID  string   `json:"kms_key_id" doc:"Key the group must be encrypted with, an id or an ARN. It is checked and never set. Empty: any."`
	Endpoint  string   `json:"endpoint" doc:"Base URL instead of the region's own; for a local stand-in, or a VPC endpoint without private DNS. https, unless it is on loopback."`
}

// AWS holds what every AWS driver shares.
type AWS struct {
	Region        string `json:"region" doc:"The one region this fleet serves."`
	RoleARN       string `json:"role_arn" doc:"Role the hub assumes for its own calls. Empty: the ambient credentials."`
	ClientRoleARN string `json:"client_role_arn" doc:"Role the hub assumes, narrowed to one client, for calls on that client's data."`
}

// Retention says how long each class of data lives. In a Client, a class that
// is zero follows the hub's own; see Config.RetentionOf.
type Retention struct {
	Messages       Duration `json:"messages,omitzero" doc:"Message content, after the client acknowledged it."`
	Undelivered    Duration `json:"undelivered,omitzero" doc:"Message content that no one acknowledges, after receipt."`
	DeadLetters    Duration `json:"dead_letters,omitzero" doc:"Deliveries and pushes the hub gave up on."`
	Attachments    Duration `json:"attachments,omitzero" doc:"Attachment bytes. Not less than attachment_link."`
	AttachmentLink Duration `json:"attachment_link,omitzero" doc:"A link to an attachment. At most 1h, not less than signed_url."`
	SignedURL      Duration `json:"signed_url,omitzero" doc:"The storage URL that a link leads to. At most 15m."`
	Dedupe         Duration `json:"dedupe,omitzero" doc:"The memory that tells a repeated provider event from a new one."`
	Idempotency    Duration `json:"idempotency,omitzero" doc:"Answers kept for repeated API calls with the same Idempotency-Key."`
	Audit          Duration `json:"audit,omitzero" doc:"Audit entries."`
}

// Access says who may call the APIs before any token has been created.
type Access struct {
	BootstrapTokens map[string]BootstrapToken `json:"bootstrap_tokens" doc:"Tokens that exist from the start, keyed by consumer name."`
	OIDC            *OIDC                     `json:"oidc,omitempty" doc:"Reserved: sign-in through an identity provider."`
}

// BootstrapToken is a token that the operator chose.
type BootstrapToken struct {
	Role   string         `json:"role" doc:"What the token may do." jsonschema:"enum=configurator,enum=operator,enum=privacy,enum=key-admin,enum=auditor,enum=client,enum=agent"`
	Client model.ClientID `json:"client,omitempty" doc:"The client that a token of role client or agent belongs to."`
	Token  Secret         `json:"token" doc:"Any string of at least 32 characters."`
}

// OIDC is reserved: no hub reads it yet, and Load refuses it.
type OIDC struct {
	Issuer   string `json:"issuer" doc:"URL of the identity provider."`
	Audience string `json:"audience" doc:"Audience the tokens must name."`
}

// Who seals attachment bytes, and what becomes of images.
const (
	SealAlways = "always"
	ImagesPass = "pass"
)

// Media says what happens to attachments on their way.
type Media struct {
	Clamd  string `json:"clamd" doc:"Address of a clamd that scans attachments: tcp://host:port or unix:/path. Empty: no scan." jsonschema:"example=tcp://127.0.0.1:3310"`
	Images string `json:"images" doc:"What becomes of images. reencode: they are made anew, without EXIF and whatever else is no picture: WebP as JPEG or PNG, BMP and TIFF as PNG; HEIC, HEIF, AVIF, animated WebP and TIFF of several pages are refused. pass: they stay as they came." jsonschema:"enum=reencode,enum=pass"`
}
