package sdk

import (
	"errors"
	"fmt"
	"time"
)

// Delivery is one attempt to send a message.
type Delivery struct {
	// To holds the contact's addresses, the one they wrote from last first.
	// It is never empty.
	To      []Address
	Message *Message
	// Attempt starts at 1.
	Attempt int
	// SendUntil is the instant after which the message must not reach the
	// provider, because another hub may be deciding about it. providerhttp
	// checks it right before a request; code with a transport of its own has
	// to. The context of Send ends then. Zero means no such instant.
	SendUntil time.Time
}

// Sent says that the provider took the message.
type Sent struct {
	// ProviderIDs are the provider's ids of it, to which receipts will refer:
	// at most 10 of at most 256 bytes.
	ProviderIDs []string
}

// OutcomeKind is what the provider said of an attempt that was not taken.
type OutcomeKind string

// The outcomes besides [Sent].
const (
	// OutcomeRejected is refused, and would be refused again: never retried.
	OutcomeRejected OutcomeKind = "rejected"
	// OutcomeThrottled was not taken, because it came too fast: retried, and not
	// counted as an attempt.
	OutcomeThrottled OutcomeKind = "throttled"
	// OutcomeRetry certainly did not reach the provider: retried.
	OutcomeRetry OutcomeKind = "retry"
	// OutcomeUnknown may have reached the provider: retried only when the
	// connector declares IdempotentSend.
	OutcomeUnknown OutcomeKind = "unknown"
)

// Scope is what an outcome is about.
type Scope string

// The scopes of a rejection or of throttling.
const (
	ScopeMessage   Scope = "message"   // this message
	ScopeRecipient Scope = "recipient" // every message to this contact
	ScopeAccount   Scope = "account"   // every message of this account
)

// OutcomeError is the error of a Send that the provider did not take. Make one
// with [Reject], [RejectRecipient], [RejectAccount], [Throttle], [Retry] or
// [Unknown].
//
// Any other error is taken as Unknown when providerhttp had begun to write a
// request, and as Retry when it had not: safe, if not always helpful.
type OutcomeError struct {
	Kind  OutcomeKind
	Scope Scope
	// Code is stable and in lower_snake_case, at most 64 bytes.
	Code string
	// ProviderCode is the provider's own, such as "131047".
	ProviderCode string
	// RetryAfter is how long the provider asks to wait; zero when it named no
	// time.
	RetryAfter time.Duration
	// Err becomes the detail that an operator reads. The SDK takes the
	// account's secrets and the recipient's addresses out of it and cuts it at
	// 512 bytes; it must hold no message text.
	Err error
}

// Error implements error.
func (e *OutcomeError) Error() string {
	text := string(e.Kind)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *OutcomeError) Unwrap() error { return e.Err }

// WithProviderCode returns a copy that carries the provider's own code.
func (e *OutcomeError) WithProviderCode(code string) *OutcomeError {
	c := *e
	c.ProviderCode = code
	return &c
}

// Reject says that the provider refuses this message: its form, its content,
// its size.
func Reject(code string, err error) *OutcomeError {
	return &OutcomeError{Kind: OutcomeRejected, Scope: ScopeMessage, Code: code, Err: err}
}

// RejectRecipient says that the provider refuses messages to this contact.
func RejectRecipient(code string, err error) *OutcomeError {
	return &OutcomeError{Kind: OutcomeRejected, Scope: ScopeRecipient, Code: code, Err: err}
}

// RejectAccount says that the provider refuses the account: wrong or expired
// credentials, a block, an unpaid bill. The hub holds the account's other
// messages until somebody has looked.
func RejectAccount(code string, err error) *OutcomeError {
	return &OutcomeError{Kind: OutcomeRejected, Scope: ScopeAccount, Code: code, Err: err}
}

// Throttle says that the account sends faster than the provider takes. after
// is the wait it asks for, zero when it named none.
func Throttle(after time.Duration, err error) *OutcomeError {
	return &OutcomeError{Kind: OutcomeThrottled, Scope: ScopeAccount, RetryAfter: after, Err: err}
}

// Retry says that the message certainly did not reach the provider.
func Retry(err error) *OutcomeError { return &OutcomeError{Kind: OutcomeRetry, Err: err} }

// Unknown says that the message may have reached the provider.
func Unknown(err error) *OutcomeError { return &OutcomeError{Kind: OutcomeUnknown, Err: err} }

// Health is how an account fares at its provider.
type Health struct {
	State HealthState
	// Detail helps an operator; it holds no secrets and no personal data. It
	// is cut at 512 bytes.
	Detail string
}

// HealthState says it in words that map to what an operator does.
type HealthState string

// The health states.
const (
	// HealthOK needs nobody.
	HealthOK HealthState = "ok"
	// HealthDegraded heals by itself.
	HealthDegraded HealthState = "degraded"
	// HealthBadCredentials needs somebody to renew the credentials.
	HealthBadCredentials HealthState = "bad_credentials"
	// HealthBlocked needs somebody to speak to the provider.
	HealthBlocked HealthState = "blocked"
	// HealthUnreachable is a provider that does not answer.
	HealthUnreachable HealthState = "unreachable"
)

// HealthOf turns what a request to the provider came to into a health: nil is
// ok, refused credentials are bad credentials, a provider that was not reached
// is unreachable, and anything else is degraded.
func HealthOf(err error) Health {
	if err == nil {
		return Health{State: HealthOK}
	}
	state := HealthDegraded
	var outcome *OutcomeError
	if errors.As(err, &outcome) {
		switch {
		case outcome.Kind == OutcomeRejected && outcome.Scope == ScopeAccount:
			state = HealthBadCredentials
		case outcome.Kind == OutcomeRetry || outcome.Kind == OutcomeUnknown:
			state = HealthUnreachable
		}
	}
	return Health{State: state, Detail: err.Error()}
}

// Errors that Fetch returns and that the methods of [Host] give back. Test for
// them with [errors.Is].
var (
	// ErrNotFound says that there is no such thing, or not for this account.
	// From Fetch it is final.
	ErrNotFound = errors.New("not found")
	// ErrDenied says that this will not be given. From Fetch it is final.
	ErrDenied = errors.New("denied")
	// ErrTooLarge says that a limit is exceeded.
	ErrTooLarge = errors.New("too large")
	// ErrConflict says that another write came first: read again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrReadOnly says that the value stands in the operator's configuration.
	ErrReadOnly = errors.New("read-only")
	// ErrInvalid says that the same call can never succeed.
	ErrInvalid = errors.New("invalid")
	// ErrUnavailable says that the same call may succeed later.
	ErrUnavailable = errors.New("unavailable")
)

// RefusedFrameError is the error of a ReceiveFrame that did not understand the
// frame. The browser is told, and the socket stays open.
type RefusedFrameError struct {
	Code, Detail string
	// FrameID is the browser's own id of the frame.
	FrameID string
}

// Error implements error.
func (e *RefusedFrameError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Detail) }

// RefuseFrame says that a frame was not understood, and what was wrong.
func RefuseFrame(code, detail, frameID string) *RefusedFrameError {
	return &RefusedFrameError{Code: code, Detail: detail, FrameID: frameID}
}
