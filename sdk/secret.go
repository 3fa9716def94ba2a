package sdk

import (
	"fmt"
	"io"
)

// redacted is what stands wherever a secret would have been printed.
const redacted = "[secret]"

// Secret is a credential of an account. It never prints: every verb of fmt,
// JSON and the logger show "[secret]". Reveal is the only way to the value, so
// that each use of one can be found.
//
// The zero Secret is empty. Secrets may be copied and used concurrently.
type Secret struct {
	// A pointer, because fmt reaches into unexported fields without asking the
	// methods below, and of a pointer it prints the address.
	value *string
}

// NewSecret wraps a credential.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the credential itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero says whether there is no credential.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Format implements [fmt.Formatter] for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (s Secret) String() string { return redacted }

// MarshalText implements [encoding.TextMarshaler], and through it JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Secrets is a credential with all the values it has while it is being
// replaced. What is signed uses Current; what is checked accepts any of All.
//
// Secrets may be copied and used concurrently.
type Secrets struct {
	all []Secret
}

// NewSecrets wraps the values of a credential, the current one first.
func NewSecrets(values ...string) Secrets {
	all := make([]Secret, len(values))
	for i, value := range values {
		all[i] = NewSecret(value)
	}
	return Secrets{all}
}

// Current returns the value to use, or an empty Secret when there is none.
func (s Secrets) Current() Secret {
	if len(s.all) == 0 {
		return Secret{}
	}
	return s.all[0]
}

// All returns every value that is valid, the current one first.
func (s Secrets) All() []Secret { return append([]Secret(nil), s.all...) }

// Format implements [fmt.Formatter] for all verbs.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (s Secrets) String() string { return redacted }

// MarshalText implements [encoding.TextMarshaler], and through it JSON.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(redacted), nil }
