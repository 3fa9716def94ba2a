package outbound

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

const codeErased = "contact_erased"

// DiscardErased ends a delivery to a contact that is being erased, while its
// message can still be read. One that is over stays as it is.
func (o *Outbound) DiscardErased(ctx context.Context, client *store.Client, msg store.Outbound) error {
	_, err := o.move(ctx, client, msg, func(m *store.Outbound) bool {
		if m.Status.Final() {
			return false
		}
		failure := sure(*m, model.Failure{Code: codeErased, Detail: "the contact was erased before the message was sent"})
		return o.change(m, model.Discarded, 0, &failure)
	})
	if err == nil {
		o.poke(client.ID, msg.Conversation)
	}
	return ifNot(model.NotFound, err)
}

// dropProviderIDs takes back what claimProviderIDs wrote for a message that is
// gone.
func (o *Outbound) dropProviderIDs(ctx context.Context, client *store.Client, msg store.Outbound, ids []string) error {
	msg.ProviderIDs, msg.Intent = ids, model.Random16{}
	return client.DropWaysTo(ctx, msg, &store.RemovedRows{})
}
