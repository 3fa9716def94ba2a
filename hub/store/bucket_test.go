package store

import (
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

func TestBucketNote(t *testing.T) {
	s := newFixture(t).store()
	ctx := t.Context()
	act := Act{Actor: "tok", Role: "configurator", Action: "client.add", Subject: "client/acme", Outcome: "done"}
	if _, err := s.Bucket(ctx, "acme"); !model.Is(err, model.NotFound) {
		t.Errorf("before: got %v, want not_found", err)
	}
	want := Bucket{Name: "channelhub-x", Owner: "123456789012", Region: "eu-west-1", KeyID: "k"}
	for range 2 {
		if err := s.NoteBucket(ctx, "acme", want, act); err != nil {
			t.Fatalf("note: %v", err)
		}
	}
	other := want
	other.Name = "channelhub-y"
	if err := s.NoteBucket(ctx, "acme", other, act); !model.Is(err, model.Conflicting) {
		t.Errorf("another bucket: got %v, want conflict", err)
	}
	if got, err := s.Bucket(ctx, "acme"); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	want.KeyID = "k2"
	for range 2 {
		if got, err := s.ChangeBucketKey(ctx, "acme", "k2", act); err != nil || got != want {
			t.Errorf("another key: %+v, %v", got, err)
		}
	}
	if got, err := s.Bucket(ctx, "acme"); err != nil || got != want {
		t.Errorf("with another key: %+v, %v; want %+v", got, err, want)
	}
	for range 2 {
		if err := s.ForgetBucket(ctx, "acme", act); err != nil {
			t.Fatalf("forget: %v", err)
		}
	}
	if _, err := s.Bucket(ctx, "acme"); !model.Is(err, model.NotFound) {
		t.Errorf("afterwards: got %v, want not_found", err)
	}
}
