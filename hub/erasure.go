package hub

import (
	"time"

	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
)

// openErasure makes what erases contacts.
func (h *Hub) openErasure() {
	h.eraser = erasure.New(erasure.Options{
		Store: h.store, Discard: h.outbound.DiscardErased,
		RemoveFile: h.media.Remove, FileKind: retention.AttachmentKind, Undrained: h.journal.Waiting,
		Changed: func(client model.ClientID, conv model.ConversationID) {
			if h.wired.Load() {
				h.chat.Erased(client, conv)
			}
		},
		Keep:   func() time.Duration { return h.config.Load().Retention.Audit.Std() },
		Logger: h.log.Named("erasure"), Metrics: h.metrics,
	})
}

// backups is the longest that DynamoDB can restore a table from, if somebody
// has switched that on.
const backups = 35 * 24 * time.Hour

// keyCopies is how long a destroyed contact key may be left somewhere.
func (h *Hub) keyCopies() time.Duration {
	if h.storage.slots != nil {
		return 0
	}
	return backups
}
