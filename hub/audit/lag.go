package audit

import (
	"context"
	"errors"
	"time"

	"github.com/channelhub/channelhub/hub/store"
)

// measure notes how far the copy is behind. It is not the copy that does: a
// sink which hangs holds that up, and is what the metrics are there to show.
func (k *Keeper) measure(ctx context.Context) {
	if k.o.Sink == nil || k.o.Metrics == nil {
		return
	}
	rows, age, err := k.lag(ctx)
	k.tell(ctx, "how far the copy of the audit log is behind is not known", err)
	if err == nil {
		k.o.Metrics.AuditCopyLag(rows, age)
	}
}

// lag returns how many rows the sink has not accepted, and the age of the
// oldest.
func (k *Keeper) lag(ctx context.Context) (rows uint64, age time.Duration, err error) {
	copied, err := k.o.Store.AuditCopied(ctx)
	if err != nil {
		return 0, 0, err
	}
	head, err := k.o.Store.AuditHead(ctx)
	if err != nil || copied.N >= head {
		return 0, 0, err
	}
	err = k.o.Store.WalkAudit(ctx, copied.N+1, head, func(row store.StoredAudit) error {
		if row.Err != nil {
			return nil //nolint:nilerr // somebody broke it; the next is hardly younger
		}
		age = max(0, k.o.Now().Sub(row.Row.At))
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, 0, err
	}
	return head - copied.N, age, nil
}
