package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
)

// Sweeper removes what has ended, and tells what will.
type Sweeper interface {
	Forecast(ctx context.Context, id model.ClientID) ([]retention.Forecast, error)
	Lateness(id model.ClientID) map[retention.Class]time.Duration
	LastPass() time.Time
	Ledger(ctx context.Context, id model.ClientID) ([]retention.Ledger, error)
	Sweep(ctx context.Context) (map[retention.Class]int, error)
}

// ClientRetention is what a client's data lives by, and what goes when.
type ClientRetention struct {
	ClientID model.ClientID    `json:"client_id" doc:"The client."`
	Policy   map[string]string `json:"policy" doc:"How long each class of its data lives."`
	Forecast []Forecast        `json:"forecast" doc:"What ends from now on, each time including the ones before."`
	// Lateness is in seconds, as the metric of the same name.
	Lateness map[string]float64 `json:"lateness_seconds" doc:"By class: how long past its end the oldest thing was that the last sweep left, or may have left where it could not look. 0 is none. What is late is unreadable all the same."`
	LastPass *model.Time        `json:"last_pass,omitempty" doc:"When the last sweep ended; absent before the first."`
}

// Forecast is how much ends within a time from now.
type Forecast struct {
	Within      string `json:"within" doc:"The time from now: 1h, 24h or 168h."`
	Messages    int    `json:"messages" doc:"Content that was read: of events and of messages whose delivery is over."`
	Undelivered int    `json:"undelivered" doc:"Content that nobody has read, if nobody reads it until then."`
	DeadLetters int    `json:"dead_letters" doc:"What the hub gave up on."`
	Attachments int    `json:"attachments" doc:"Files."`
	Partial     bool   `json:"partial,omitempty" doc:"There is more than a forecast looks at: the counts are at least so high."`
}

// Sweep is what a sweep came to.
type Sweep struct {
	Removed map[string]int `json:"removed" doc:"By class: how much it removed."`
	EndedAt model.Time     `json:"ended_at" doc:"When it was through."`
}

var errNoSweeper = model.Errorf(model.Unavailable, "look at retention", "This hub removes nothing.")

func policyOf(r model.Retention) map[string]string {
	policy := map[string]string{}
	for class, keep := range map[string]time.Duration{
		"messages": r.Messages, "undelivered": r.Undelivered, "dead_letters": r.DeadLetters, "attachments": r.Attachments,
		"attachment_link": r.AttachmentLink, "signed_url": r.SignedURL, "dedupe": r.Dedupe, "idempotency": r.Idempotency, "audit": r.Audit,
	} {
		policy[class] = model.Duration(keep).String()
	}
	return policy
}

func (a *Admin) listRetention(w http.ResponseWriter, r *http.Request) {
	if a.Sweeper == nil {
		web.Fail(w, r, errNoSweeper)
		return
	}
	only, err := a.onlyClient(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	var all []accounts.Client
	for _, c := range a.Accounts.Clients() {
		if only == "" || c.ID == only {
			all = append(all, c)
		}
	}
	page, err := pageOf(r, all, func(c accounts.Client) string { return string(c.ID) })
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	out := make([]ClientRetention, 0, len(page.Data))
	for _, c := range page.Data {
		v, err := a.clientRetention(r.Context(), c)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		out = append(out, v)
	}
	web.JSON(w, r, http.StatusOK, web.ListOf(out, page.NextCursor))
}

func (a *Admin) clientRetention(ctx context.Context, c accounts.Client) (ClientRetention, error) {
	v := ClientRetention{
		ClientID: c.ID, Policy: policyOf(c.Retention), Forecast: []Forecast{},
		Lateness: map[string]float64{}, LastPass: timeOf(a.Sweeper.LastPass()),
	}
	for class, late := range a.Sweeper.Lateness(c.ID) {
		v.Lateness[string(class)] = late.Seconds()
	}
	forecast, err := a.Sweeper.Forecast(ctx, c.ID)
	for _, f := range forecast {
		v.Forecast = append(v.Forecast, Forecast{
			Within: model.Duration(f.Within.Truncate(time.Hour)).String(), Messages: f.Messages, Undelivered: f.Undelivered,
			DeadLetters: f.DeadLetters, Attachments: f.Attachments, Partial: f.Partial,
		})
	}
	return v, err
}

func (a *Admin) runRetention(w http.ResponseWriter, r *http.Request) {
	err := web.ReadNothing(w, r)
	if err == nil && a.Sweeper == nil {
		err = errNoSweeper
	}
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	out := Sweep{Removed: map[string]int{}}
	err = a.around(r, audit.RetentionRun, "retention", func(ctx context.Context) error {
		removed, err := a.Sweeper.Sweep(ctx)
		for class, n := range removed {
			out.Removed[string(class)] = n
		}
		return err
	})
	out.EndedAt = model.At(a.Sweeper.LastPass())
	answer(w, r, out, err)
}

func (a *Admin) retentionRoutes() []route {
	none := spec.Problem(503, "This hub removes nothing.")
	return []route{
		{spec.Operation{
			ID: "listRetention", Method: "GET", Path: "/admin/v1/retention", Summary: "What each client's data lives by, and what goes when.",
			Description: "A forecast is an estimate: it reads a bounded part of the feed, and what is read meanwhile ends earlier.",
			Params:      append([]spec.Param{clientParam}, pageParams...),
			Answers:     []spec.Answer{spec.OK("Clients, by id.", web.List[ClientRetention]{}), noClient, none},
		}, nil, web.Unhurried(a.listRetention)},
		{spec.Operation{
			ID: "runRetention", Method: "POST", Path: "/admin/v1/retention/run", Summary: "Remove now what has ended.",
			Description: "The hub does so by itself every minute. What has ended is unreadable before it is removed.",
			Answers:     []spec.Answer{spec.OK("What was removed.", Sweep{}), none},
		}, nil, web.Unhurried(a.runRetention)},
	}
}
