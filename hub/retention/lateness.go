package retention

import (
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// place is where things of one class end: a feed log, or what is noted as due.
type place struct {
	class Class
	shard int // of a feed log
}

// stand is how far a place is swept.
type stand struct {
	done time.Time     // what had ended before is gone
	late time.Duration // as of the last pass
}

// reached notes what a pass saw of a place: the end of the oldest thing that
// is over and still there; the zero time is none.
func (s *Sweeper) reached(client model.ClientID, at place, oldest, now time.Time) {
	if oldest.IsZero() || oldest.After(now) {
		oldest = now
	}
	s.setStand(client, at, stand{done: oldest, late: now.Sub(oldest)})
}

// stuck notes that a pass could not see how a place stands. What it last knew
// to be gone is all that it can answer for, so the lateness grows until
// somebody looks.
func (s *Sweeper) stuck(client model.ClientID, at place, now time.Time) {
	s.mu.Lock()
	was, ok := s.late[client][at]
	s.mu.Unlock()
	if !ok {
		was.done = now // this process begins to answer for it here
	}
	s.setStand(client, at, stand{done: was.done, late: max(now.Sub(was.done), 0)})
}

// allStuck is stuck for every place of a client.
func (s *Sweeper) allStuck(client model.ClientID, now time.Time) {
	s.mu.Lock()
	places := map[place]bool{{class: Messages}: true, {class: Attachments}: true, {class: DeadLetters}: true}
	for at := range s.late[client] {
		places[at] = true
	}
	s.mu.Unlock()
	for at := range places {
		s.stuck(client, at, now)
	}
}

func (s *Sweeper) setStand(client model.ClientID, at place, to stand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by, ok := s.late[client]
	if !ok {
		by = map[place]stand{}
		s.late[client] = by
	}
	by[at] = to
}

// report forgets clients that are not looked after any more, and puts the
// worst lateness of each class into the metrics.
func (s *Sweeper) report(clients []model.ClientID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	worst := map[Class]time.Duration{}
	for id, by := range s.late {
		gone := !slices.Contains(clients, id)
		for at, st := range by {
			if gone {
				st.late = 0 // the metric must not stay as it was
			}
			worst[at.class] = max(worst[at.class], st.late)
		}
		if gone {
			delete(s.late, id)
		}
	}
	for class, d := range worst {
		s.o.Metrics.SweepLateness(string(class), d)
	}
	s.last = s.o.Now()
}

// LastPass is when the last pass ended; zero before the first.
func (s *Sweeper) LastPass() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Lateness returns how long past its end the oldest thing of each class was
// that the last pass left, or may have left where it could not look.
func (s *Sweeper) Lateness(client model.ClientID) map[Class]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[Class]time.Duration{}
	for at, st := range s.late[client] {
		out[at.class] = max(out[at.class], st.late)
	}
	return out
}
