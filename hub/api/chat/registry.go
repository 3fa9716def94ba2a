package chat

import (
	"sync"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/model"
)

// visitorKey is one visitor on one account.
type visitorKey struct {
	account model.AccountID
	visitor model.Address
}

type conversationKey struct {
	client model.ClientID
	id     model.ConversationID
}

// visit is what the sockets of one visitor have in common. Its fields are the
// registry's.
type visit struct {
	key     visitorKey
	client  model.ClientID
	conv    model.ConversationID // empty before the first message
	sockets map[*socket]struct{}
}

// registry knows the open sockets of this process.
type registry struct {
	limits Limits

	mu            sync.Mutex
	closed        bool
	open          map[*socket]struct{}
	addresses     map[string]int
	visits        map[visitorKey]*visit
	conversations map[conversationKey]*visit
	idle          chan struct{} // closed when closed and nothing is open
}

func (r *registry) init(limits Limits) {
	r.limits = limits
	r.open = map[*socket]struct{}{}
	r.addresses = map[string]int{}
	r.visits = map[visitorKey]*visit{}
	r.conversations = map[conversationKey]*visit{}
	r.idle = make(chan struct{})
}

// closing reports whether new sockets are refused.
func (r *registry) closing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// admit counts a socket in, and returns what it is to be closed with when
// there is no room for it; 0 when there is. Every admit is followed by a
// leave, also without room.
func (r *registry) admit(s *socket) websocket.StatusCode {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses[s.remote]++
	r.open[s] = struct{}{}
	switch {
	case r.closed:
		return closeRestart
	case r.addresses[s.remote] > r.limits.AddressSockets:
		return closeTooMany
	case len(r.open) > r.limits.Sockets:
		return closeLater
	}
	return 0
}

// join makes the socket one of a visitor's; false when it has too many.
func (r *registry) join(s *socket, key visitorKey, client model.ClientID) (*visit, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.visits[key]
	if !ok {
		v = &visit{key: key, client: client, sockets: map[*socket]struct{}{}}
		r.visits[key] = v
	}
	if len(v.sockets) >= r.limits.VisitorSockets {
		return nil, false
	}
	v.sockets[s] = struct{}{}
	return v, true
}

// leave forgets a socket.
func (r *registry) leave(s *socket, v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v != nil {
		delete(v.sockets, s)
		if len(v.sockets) == 0 {
			delete(r.visits, v.key)
			delete(r.conversations, conversationKey{v.client, v.conv})
		}
	}
	delete(r.open, s)
	if r.addresses[s.remote]--; r.addresses[s.remote] == 0 {
		delete(r.addresses, s.remote)
	}
	r.settle()
}

// settle tells Close when the last one is gone. The lock is held.
func (r *registry) settle() {
	if !r.closed || len(r.open) > 0 {
		return
	}
	select {
	case <-r.idle:
	default:
		close(r.idle)
	}
}

// close refuses new sockets from now on. The channel is closed once none is
// left.
func (r *registry) close() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.settle()
	return r.idle
}

// conversation returns the visitor's conversation; empty when none is known.
func (r *registry) conversation(v *visit) model.ConversationID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return v.conv
}

// bind notes the visitor's conversation, which changes only by an erasure.
func (r *registry) bind(v *visit, conv model.ConversationID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.conv = conv
	r.conversations[conversationKey{v.client, conv}] = v
}

// pokeAll has all sockets of the visitor look at the conversation.
func (r *registry) pokeAll(v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range v.sockets {
		s.poke()
	}
}

func (r *registry) poke(key conversationKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.conversations[key]; ok {
		for s := range v.sockets {
			s.poke()
		}
	}
}

// ofVisitor returns the sockets of a visitor.
func (r *registry) ofVisitor(key visitorKey) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return socketsOf(r.visits[key])
}

// ofConversation returns the sockets of a conversation.
func (r *registry) ofConversation(key conversationKey) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return socketsOf(r.conversations[key])
}

// forget unbinds a conversation that is no more, and returns the sockets that
// showed it. Whoever comes while they end is not taken for theirs.
func (r *registry) forget(key conversationKey) []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.conversations[key]
	if !ok {
		return nil
	}
	delete(r.conversations, key)
	v.conv = ""
	return socketsOf(v)
}

func socketsOf(v *visit) []*socket {
	if v == nil {
		return nil
	}
	list := make([]*socket, 0, len(v.sockets))
	for s := range v.sockets {
		list = append(list, s)
	}
	return list
}

func (r *registry) all() []*socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*socket, 0, len(r.open))
	for s := range r.open {
		list = append(list, s)
	}
	return list
}
