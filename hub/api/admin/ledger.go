package admin

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/retention"
)

// LedgerLine is in which states accepted things of an account are.
type LedgerLine struct {
	ClientID     model.ClientID  `json:"client_id" doc:"The client."`
	AccountID    model.AccountID `json:"account_id" doc:"The account."`
	Direction    model.Direction `json:"direction" doc:"inbound or outbound."`
	Accepted     int             `json:"accepted" doc:"The sum of the states."`
	Sent         int             `json:"sent" doc:"Sent, and nothing heard since."`
	Delivered    int             `json:"delivered" doc:"Outbound: delivered or read. Inbound: acknowledged by every consumer that counts."`
	Failed       int             `json:"failed" doc:"Not delivered."`
	Expired      int             `json:"expired" doc:"Over before it was sent, or read."`
	DeadLettered int             `json:"dead_lettered" doc:"Given up on; an operator can replay or discard it."`
	Discarded    int             `json:"discarded" doc:"Discarded by an operator."`
	Held         int             `json:"held" doc:"Perhaps sent: waits for a receipt or a word."`
	Pending      int             `json:"pending" doc:"On its way, or waits to be read."`
	Erased       int             `json:"erased" doc:"Gone with its contact, which was erased, or with its account, which was removed."`
	Missing      int             `json:"missing" doc:"Told of in a log and in no row, and not erased: it is in no visible state. 0 unless the hub or its table is at fault."`
	Balanced     bool            `json:"balanced" doc:"Nothing is missing."`
}

func lineView(l retention.Ledger) LedgerLine {
	return LedgerLine{
		ClientID: l.Client, AccountID: l.Account, Direction: l.Direction, Accepted: l.Accepted, Sent: l.Sent, Delivered: l.Delivered,
		Failed: l.Failed, Expired: l.Expired, DeadLettered: l.DeadLettered, Discarded: l.Discarded, Held: l.Held, Pending: l.Pending,
		Erased: l.Erased, Missing: l.Missing, Balanced: l.Balanced(),
	}
}

func (a *Admin) getLedger(w http.ResponseWriter, r *http.Request) {
	if a.Sweeper == nil {
		web.Fail(w, r, errNoSweeper)
		return
	}
	clients, err := a.keptClients(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	var all []LedgerLine
	for _, id := range clients {
		lines, err := a.Sweeper.Ledger(r.Context(), id)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		for _, l := range lines {
			all = append(all, lineView(l))
		}
	}
	list, err := pageOf(r, all, func(l LedgerLine) string {
		return string(l.ClientID) + "/" + string(l.AccountID) + "/" + string(l.Direction)
	})
	answer(w, r, list, err)
}

func (a *Admin) ledgerRoutes() []route {
	return []route{{spec.Operation{
		ID: "getLedger", Method: "GET", Path: "/admin/v1/ledger", Summary: "What became of everything that was accepted.",
		Description: "For each client, account and direction, over what is within retention, also of clients that have left the configuration and are not removed. All logs are read and every row is looked up: it takes its time. What waits in a journal is listed there.",
		Params:      append([]spec.Param{keptClientParam}, pageParams...),
		Answers:     []spec.Answer{spec.OK("Lines, by client, account and direction.", web.List[LedgerLine]{}), noClient, spec.Problem(503, "This hub keeps no ledger.")},
	}, nil, web.Unhurried(a.getLedger)}}
}
