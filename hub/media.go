package hub

import (
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/flow/media"
)

// openMedia makes the room of files, and has the sweeper remove what ends.
func (h *Hub) openMedia() error {
	cfg := h.opts.Config
	var err error
	h.media, err = media.New(media.Options{
		Store: h.store, Blobs: h.blobs, Accounts: h.accounts, Connectors: connectors{h.plugins},
		SealAlways: cfg.Storage.Blob.Seal == config.SealAlways, PassImages: cfg.Media.Images == config.ImagesPass,
		Clamd: cfg.Media.Clamd, ExternalURL: h.PublicURL, Logger: h.log.Named("media"), Committed: h.committed,
	})
	if err != nil {
		return err
	}
	h.sweeper.Register(media.DueKind, h.media.Remove)
	// Counted at the file's own end, whose due row stays.
	h.sweeper.Resume(media.UntakenKind, h.media.RemoveUntaken)
	return nil
}
