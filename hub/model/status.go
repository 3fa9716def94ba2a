package model

// Status is the state of an outbound message.
type Status string

// The statuses. The first five move forward only; the others stand beside.
const (
	Queued    Status = "queued"
	Sending   Status = "sending"
	Sent      Status = "sent"
	Delivered Status = "delivered"
	Read      Status = "read"

	Failed    Status = "failed"
	Held      Status = "held"
	Expired   Status = "expired"
	Discarded Status = "discarded"
)

// moves is the table of legal state moves. A status that is not a key never
// changes again.
var moves = map[Status][]Status{
	Queued:    {Sending, Sent, Delivered, Read, Failed, Held, Expired, Discarded},
	Sending:   {Queued, Sent, Delivered, Read, Failed, Held, Expired, Discarded},
	Sent:      {Delivered, Read, Failed},
	Delivered: {Read},
	Held:      {Queued, Sent, Delivered, Read, Failed, Expired, Discarded},
	// What a provider says late, in the outcome of an attempt or in a receipt,
	// stands against our guess: it wins. An operator replays or discards what
	// lies as a dead letter.
	Failed:  {Queued, Sent, Delivered, Read, Discarded},
	Expired: {Sent, Delivered, Read},
}

// CanMove reports whether a message in state s may go to state next. Staying
// is not a move.
func (s Status) CanMove(next Status) bool {
	for _, n := range moves[s] {
		if n == next {
			return true
		}
	}
	return false
}

// Final reports whether the delivery is over: nothing but a provider's late
// receipt, or an operator's replay, changes the status any more.
func (s Status) Final() bool {
	switch s {
	case Sent, Delivered, Read, Failed, Expired, Discarded:
		return true
	case Queued, Sending, Held:
		return false
	}
	return false
}

// Statuses lists every status.
func Statuses() []Status {
	return []Status{Queued, Sending, Sent, Delivered, Read, Failed, Held, Expired, Discarded}
}
