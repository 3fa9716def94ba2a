package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
)

// linkKey seals links, under the hub's own keyset: who follows one names
// nobody.
var linkKey = seal.Class("links")

const (
	linkVersion = 1
	maxClientID = 40
	// Version, client and its length, attachment, expiry.
	linkSize = 1 + 1 + maxClientID + 16 + 8
	// Packing, nonce and tag.
	linkSealed = linkSize + 1 + 12 + 16
)

var linkPlace = seal.Place{PK: "h/link", SK: "link", Schema: linkVersion}

// Link is what the token of a link says: one file of one client, until a time.
type Link struct {
	Client     model.ClientID
	Attachment model.AttachmentID
	Expires    time.Time
}

// LinkToken spells a link as the token of its URL. It is not stored: it is
// sealed, so that nobody can make one or read in it, and all have one length.
func (s *Store) LinkToken(ctx context.Context, l Link) (string, error) {
	raw, ok := l.Attachment.Raw()
	if !ok || !model.ValidConfiguredID(string(l.Client)) {
		return "", model.Errorf(model.Invalid, "make link", "a link names a client and an attachment")
	}
	hub, err := s.sealer.Client(ctx, "")
	if err != nil {
		return "", err
	}
	if err := hub.CreateKey(ctx, linkKey); err != nil {
		return "", err
	}
	plain := make([]byte, linkSize)
	plain[0], plain[1] = linkVersion, byte(len(l.Client))
	name := plain[2 : 2+maxClientID]
	_, _ = rand.Read(name[copy(name, l.Client):])
	copy(plain[2+maxClientID:], raw[:])
	binary.BigEndian.PutUint64(plain[linkSize-8:], uint64(l.Expires.UnixMilli()))
	sealed, err := hub.Seal(ctx, linkKey, linkPlace, plain)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// ParseLink reads a token back; model.NotFound when it is none that LinkToken
// made. Whatever the token is, the work is the same.
func (s *Store) ParseLink(ctx context.Context, token string) (Link, error) {
	none := model.Errorf(model.NotFound, "read link", "There is no such link.")
	hub, err := s.sealer.Client(ctx, "")
	if err != nil {
		return Link{}, err
	}
	if err := hub.CreateKey(ctx, linkKey); err != nil {
		return Link{}, err
	}
	sealed := make([]byte, linkSealed)
	raw, whole := decodeToken64(token[:min(len(token), 2*linkSealed)])
	whole = whole && len(raw) == linkSealed
	copy(sealed, raw)
	plain, err := hub.Open(ctx, linkKey, linkPlace, sealed)
	if err != nil && !model.Is(err, model.Corrupt) {
		return Link{}, err
	}
	if err != nil || !whole || len(plain) != linkSize || plain[0] != linkVersion || plain[1] > maxClientID {
		return Link{}, none
	}
	return Link{
		Client:     model.ClientID(plain[2 : 2+plain[1]]),
		Attachment: model.AttachmentIDOf(model.Random16(plain[2+maxClientID : linkSize-8])),
		Expires:    time.UnixMilli(int64(binary.BigEndian.Uint64(plain[linkSize-8:]))),
	}, nil
}
