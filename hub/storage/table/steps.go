package table

import (
	"context"
	"errors"

	"github.com/channelhub/channelhub/internal/failpoint"
)

// CommitSteps applies ops in their order, each under its own condition, and
// returns the version of each row. It is for rows that a Commit follows: they
// are durable when that one has returned, and may not be before. Nobody reads
// them, and no commit stands that began behind them, unless they are.
//
// They need not land together, and are not to be relied on to: where several
// ops in one commit cost more, each is a commit of its own, so that a crash or
// a failed condition leaves the ops before it applied. Where they cost less,
// they are one commit, and nothing is applied unless all are. The caller's
// steps must come to the same rows from either end, when they are repeated.
//
// The error is as Commit's; the Index of a *ConflictError counts among ops.
func (h Handle) CommitSteps(ctx context.Context, ops ...Op) ([]Version, error) {
	versions := make([]Version, len(ops))
	if h.StepsTogether() {
		id, err := h.commit(ctx, h.table.stepper.CommitSteps, ops)
		if err != nil {
			return nil, err
		}
		for i := range versions {
			versions[i] = id
		}
		return versions, nil
	}
	for i, op := range ops {
		if i > 0 {
			failpoint.Hit("table.between_steps")
		}
		id, err := h.Commit(ctx, op)
		if c, ok := errors.AsType[*ConflictError](err); ok {
			c.Index = i
		}
		if err != nil {
			return nil, err
		}
		versions[i] = id
	}
	return versions, nil
}

// StepsTogether reports whether CommitSteps is one commit here.
func (h Handle) StepsTogether() bool { return h.table.stepper != nil }
