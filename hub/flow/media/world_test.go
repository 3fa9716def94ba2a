package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/link"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/awslocal"
)

const (
	acme   = model.ClientID("acme")
	globex = model.ClientID("globex")
	site   = model.AccountID("acme-site")
)

// channel is a connector that has one file to fetch.
type channel struct {
	body func() (io.Reader, error)
	asks atomic.Int64
}

func (*channel) Describe(model.PluginID) (pluginhost.Descriptor, bool) {
	return pluginhost.Descriptor{}, false
}

func (c *channel) FetchAttachment(context.Context, model.PluginID, pluginhost.FetchRequest) (model.Attachment, io.ReadCloser, error) {
	c.asks.Add(1)
	r, err := c.body()
	if err != nil {
		return model.Attachment{}, nil, err
	}
	return model.Attachment{}, io.NopCloser(r), nil
}

// world is one hub's files, over real rows and a real blob driver, at a time of
// the test's choice.
type world struct {
	t       *testing.T
	dir     string // of the file driver
	at      time.Time
	rows    *storetest.Rows
	store   *store.Store
	client  *store.Client
	blobs   *blob.Store
	channel *channel
	opts    media.Options
	media   *media.Media
	links   http.Handler
}

func (w *world) now() time.Time { return w.at }

func newWorld(t *testing.T, open func(w *world) *blob.Store, change func(*media.Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), at: time.Now().UTC().Truncate(time.Second), channel: &channel{}}
	w.rows = storetest.Over(t, table.New(storetest.Pebble(t), &table.Options{Now: w.now}), w.now)
	w.begin(open, change)
	return w
}

// begin makes the world's rooms over its rows.
func (w *world) begin(open func(w *world) *blob.Store, change func(*media.Options)) {
	t := w.t
	t.Helper()
	registry := accounts.NewRegistry()
	keep := model.Retention{Attachments: 24 * time.Hour, AttachmentLink: time.Hour, SignedURL: 15 * time.Minute, Undelivered: 168 * time.Hour, Dedupe: 192 * time.Hour}
	registry.Replace(accounts.Set{
		Clients:  map[model.ClientID]accounts.Client{acme: {ID: acme, Retention: keep}, globex: {ID: globex, Retention: keep}},
		Accounts: map[model.AccountID]accounts.Account{site: {ID: site, Client: acme, Plugin: "test", Enabled: true}},
	})
	if open == nil {
		open = func(w *world) *blob.Store {
			files, err := fileblob.Open(w.dir)
			if err != nil {
				t.Fatal(err)
			}
			return blob.New(files, &blob.Options{Now: w.now})
		}
	}
	w.blobs = open(w)
	w.opts = media.Options{
		Blobs: w.blobs, Accounts: registry, Connectors: w.channel, Now: w.now,
		ExternalURL: func() string { return "https://hub.example" },
	}
	if change != nil {
		change(&w.opts)
	}
	w.open(w.rows.Store())
}

// open makes the rooms over what could be the store of a process of its own.
func (w *world) open(s *store.Store) {
	w.t.Helper()
	w.store, w.opts.Store = s, s
	var err error
	if w.media, err = media.New(w.opts); err != nil {
		w.t.Fatal(err)
	}
	w.client = w.of(acme)
	mux := http.NewServeMux()
	link.New(link.Options{Store: s, Accounts: w.opts.Accounts, Files: w.media, Now: w.now}).Routes(mux)
	w.links = mux
}

// onS3 keeps the bytes on an S3 server.
func onS3(server *awslocal.S3Server) func(w *world) *blob.Store {
	return func(w *world) *blob.Store {
		w.t.Helper()
		cfg := aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider(server.Access, server.Secret, "")}
		raw := s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(server.Endpoint), true })
		name := "channelhub-" + strings.ToLower(rand.Text())
		if _, err := raw.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
			w.t.Fatal(err)
		}
		resolve := func(context.Context, model.ClientID) (s3blob.Bucket, error) {
			return s3blob.Bucket{Name: name, Owner: server.Account, KeyID: "arn:aws:kms:eu-west-1:" + server.Account + ":key/acme"}, nil
		}
		return blob.New(s3blob.New(cfg, resolve, &s3blob.Options{Endpoint: server.Endpoint}), &blob.Options{Now: w.now})
	}
}

func (w *world) of(id model.ClientID) *store.Client {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) tryTake(name string, body []byte) (store.Attachment, error) {
	return w.media.Take(w.t.Context(), w.client, media.File{
		Name: name, Body: bytes.NewReader(body), Rules: media.Rules{MaxSize: media.DefaultMaxSize},
	})
}

func (w *world) take(name string, body []byte) store.Attachment {
	w.t.Helper()
	a, err := w.tryTake(name, body)
	if err != nil {
		w.t.Fatalf("take %s: %v", name, err)
	}
	return a
}

// linkTo returns the path of a fresh link.
func (w *world) linkTo(c *store.Client, a store.Attachment) string {
	w.t.Helper()
	url, _, err := w.media.Link(w.t.Context(), c.ID, a, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimPrefix(url, "https://hub.example")
}

func (w *world) follow(method, path string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.links.ServeHTTP(rec, r)
	return rec
}

// photo is a JPEG with a place in its EXIF.
func photo(t *testing.T, width, height, turned int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, width, height)), nil); err != nil {
		t.Fatal(err)
	}
	exif := append([]byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), byte(turned))
	exif = append(exif, "\x00\x00\x00\x00\x00\x00GPS 52.52N 13.40E"...)
	segment := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return append(append(bytes.Clone(b.Bytes()[:2]), segment...), b.Bytes()[2:]...)
}
