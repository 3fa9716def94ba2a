package audit

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// What is counted instead of told one by one.
const (
	Refused         Action = "call.refused"
	ReadEvents      Action = "content.events"
	ReadMessages    Action = "content.messages"
	ReadContacts    Action = "content.contacts"
	ReadAttachments Action = "content.attachments"
	KeyWrap         Action = "key.wrap"
	KeyUnwrap       Action = "key.unwrap"
)

var (
	// Hub is the hub acting by itself.
	Hub = By{Token: "hub", Role: "hub"}
	// Nobody is a caller without a valid token.
	Nobody = By{Token: "nobody", Role: "none"}
	// LinkHolder is whoever follows a link to a file.
	LinkHolder = By{Token: "link", Role: "none"}
)

// tally is what one row counts: one kind of act, of one actor, on one subject,
// within one minute.
type tally struct {
	minute                                int64 // Unix
	actor, role, action, subject, outcome string
}

// maxTallies bounds what is kept in memory, however many actors there are and
// however long the table is away. What does not fit is counted under one actor
// and one subject.
const maxTallies = 4096

// Counts counts acts of which there are many, so that each (actor, client,
// kind, minute) becomes one row of the log. Counting touches memory alone: the
// row is written once its minute is over. The end of the process by force
// loses what was counted in the minute under way, an orderly end nothing. It is
// safe for concurrent use.
type Counts struct {
	now func() time.Time

	mu      sync.Mutex
	tallies map[tally]uint64
}

// NewCounts returns Counts; now may be nil. A Keeper writes them.
func NewCounts(now func() time.Time) *Counts {
	if now == nil {
		now = time.Now
	}
	return &Counts{now: now, tallies: map[tally]uint64{}}
}

// Add counts n acts. The subject holds the hub's own ids, never a caller's
// words. A nil Counts counts nothing.
func (c *Counts) Add(by By, action Action, subject, outcome string, n int) {
	if c == nil || n <= 0 {
		return
	}
	t := tally{
		minute: c.now().Unix() / 60, actor: by.Token, role: by.Role,
		action: string(action), subject: subject, outcome: outcome,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(t, uint64(n))
}

// add counts under the lock.
func (c *Counts) add(t tally, n uint64) {
	if _, there := c.tallies[t]; !there && len(c.tallies) >= maxTallies {
		t.actor, t.role, t.subject = "others", "none", "others"
	}
	c.tallies[t] += n
}

// Access counts content of a client that somebody read.
func (c *Counts) Access(by By, action Action, client model.ClientID, n int) {
	c.Add(by, action, SubjectOf(client), done, n)
}

// SubjectOf is a client as a subject; the empty one is the hub itself.
func SubjectOf(client model.ClientID) string {
	if client == "" {
		return "hub"
	}
	return "client/" + string(client)
}

// Refusal counts a call that was refused: by is the zero value when the token
// was none, call names the route, such as "POST /v1/messages". Who has no token
// can make a row for each listener's face in a minute, however much they try;
// who has one, a row for each route and answer.
func (c *Counts) Refusal(by By, call string, status int) {
	method, path, _ := strings.Cut(call, " ")
	client := strings.HasPrefix(path, "/v1/")
	switch {
	case status == http.StatusUnauthorized && client:
		c.Add(Nobody, Refused, "call/v1", "unauthenticated", 1)
	case status == http.StatusUnauthorized:
		c.Add(Nobody, Refused, "call/admin", "unauthenticated", 1)
	case status == http.StatusForbidden:
		c.Add(by, Refused, "call/"+call, string(model.Denied), 1)
	case !client && method != http.MethodGet && method != http.MethodHead:
		c.Add(by, Refused, "call/"+call, fmt.Sprintf("status_%d", status), 1)
	}
}

// Swept counts what the hub removed at the end of its retention.
func (c *Counts) Swept(client model.ClientID, class string, n int) {
	c.Add(Hub, Action("sweep."+class), SubjectOf(client), done, n)
}

// take removes what was counted in minutes that are over, or all.
func (c *Counts) take(all bool) map[tally]uint64 {
	current := c.now().Unix() / 60
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := map[tally]uint64{}
	for t, n := range c.tallies {
		if all || t.minute < current {
			taken[t] = n
			delete(c.tallies, t)
		}
	}
	return taken
}

// counter is the log as counts are written to it.
type counter interface {
	AuditAll(ctx context.Context, acts []store.Act) error
}

// flush writes what was counted in minutes that are over, or all. What cannot
// be written stays for the next time: a commit that was answered with an error
// and took place all the same is then counted twice, and never not at all.
func (c *Counts) flush(ctx context.Context, to counter, all bool) error {
	taken := c.take(all)
	order := make([]tally, 0, len(taken))
	for t := range taken {
		order = append(order, t)
	}
	slices.SortFunc(order, func(a, b tally) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.actor, b.actor), cmp.Compare(a.action, b.action),
			cmp.Compare(a.subject, b.subject), cmp.Compare(a.outcome, b.outcome))
	})
	for len(order) > 0 {
		part := order[:min(len(order), store.MaxAudit)]
		acts := make([]store.Act, 0, len(part))
		for _, t := range part {
			acts = append(acts, store.Act{
				Actor: t.actor, Role: t.role, Action: t.action, Subject: t.subject, Outcome: t.outcome,
				Count: taken[t], Since: time.Unix(t.minute*60, 0).UTC(),
			})
		}
		if err := to.AuditAll(ctx, acts); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, t := range order {
				c.add(t, taken[t])
			}
			return err
		}
		order = order[len(part):]
	}
	return nil
}
