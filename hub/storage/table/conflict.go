package table

import (
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// ConflictError says that a condition did not hold, so that nothing was
// written. Its code is model.Precondition.
type ConflictError struct {
	// Index is the first op, in the order given, whose condition failed.
	Index int
	// Found is the row found there, for the caller to keep; nil when there
	// was none. It may be a row that reads hide already but that still counts
	// as present in conditions.
	Found *Row
}

// Error names the op and not the row: keys stay out of logs.
func (e *ConflictError) Error() string {
	if e.Found == nil {
		return fmt.Sprintf("condition of op %d failed: no such row", e.Index)
	}
	return fmt.Sprintf("condition of op %d failed: another row is there", e.Index)
}

// Unwrap gives the error its code.
func (e *ConflictError) Unwrap() error {
	return &model.Error{Code: model.Precondition, Op: "commit", Detail: fmt.Sprintf("condition of op %d failed", e.Index)}
}

func (h Handle) conflict(c *driver.ConflictError, ops []driver.Op) *ConflictError {
	e := &ConflictError{Index: c.Index}
	if c.Found != nil && !expired(*c.Found, ops[c.Index].Cond.ExpiredBy) {
		r := h.row(*c.Found)
		e.Found = &r
	}
	return e
}
