package media_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/s3blob"
	"github.com/channelhub/channelhub/hub/store"
)

// noBucket is the store of a fleet that has given no client its bucket.
func noBucket(w *world) *blob.Store {
	resolve := func(context.Context, model.ClientID) (s3blob.Bucket, error) {
		return s3blob.Bucket{}, model.Errorf(model.NotFound, "read bucket row", "there is none")
	}
	return blob.New(s3blob.New(aws.Config{Region: "eu-west-1"}, resolve, nil), &blob.Options{Now: w.now})
}

// TestUploadWithoutABucketLeavesNothing: a file that its client has no place
// for is refused, and nothing of it is left for the sweeper to try.
func TestUploadWithoutABucketLeavesNothing(t *testing.T) {
	w := newWorld(t, noBucket, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := w.media.Take(ctx, w.client, media.File{
		Name: "a.txt", Body: strings.NewReader("content"), Rules: media.Rules{MaxSize: media.DefaultMaxSize},
	})
	if !model.Is(err, model.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	err = w.client.EachDue(t.Context(), func(d store.Due) error {
		t.Errorf("left for the sweeper: %s", d.Kind)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFilesOfABucketThatWentFirst: what a bucket that is removed has taken
// along ends like any other file.
func TestFilesOfABucketThatWentFirst(t *testing.T) {
	w := newWorld(t, nil, nil)
	a := w.take("a.txt", []byte("content"))
	w.begin(noBucket, nil)
	n := 0
	err := w.client.EachDue(t.Context(), func(d store.Due) error {
		n++
		return w.media.Remove(t.Context(), w.client, d)
	})
	if err != nil || n != 1 {
		t.Fatalf("%d files were removed: %v", n, err)
	}
	if _, err := w.client.Attachment(t.Context(), a.ID); !model.Is(err, model.NotFound) {
		t.Errorf("the file's row: %v, want not found", err)
	}
}
