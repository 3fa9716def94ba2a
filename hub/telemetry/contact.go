package telemetry

import (
	"fmt"
	"io"
)

// hidden is what stands in a log for a contact.
const hidden = "[contact]"

// ContactValue is something that identifies a person: an address, a contact
// id, or a provider's message id, which may contain an address. However it is
// printed it reads "[contact]"; the logger alone shows what it holds, and only
// in a line at warn or error.
type ContactValue struct{ value string }

// Contact marks a value as identifying a person, for a logger:
//
//	logger.Warn("address refused", telemetry.FieldContact, telemetry.Contact(address))
func Contact[T ~string](value T) ContactValue { return ContactValue{string(value)} }

// String returns "[contact]".
func (ContactValue) String() string { return hidden }

// Format writes "[contact]" for every verb: %#v and %d would show the value.
func (ContactValue) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "[contact]", for JSON and every other encoding.
func (ContactValue) MarshalText() ([]byte, error) { return []byte(hidden), nil }
