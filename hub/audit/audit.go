// Package audit records what admins do to the hub.
//
// The log is one chain of rows, each holding the hash of the one before. A
// change of rows is committed together with its audit row, by the store: By
// makes that row's content. An act outside the store, such as the restart of
// a connector, goes through Log.Around, which records it before it begins.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Action is what was done, as a subject and a verb.
type Action string

// The actions.
const (
	TokenCreate   Action = "token.create"
	TokenRevoke   Action = "token.revoke"
	PluginDisable Action = "plugin.disable"
	PluginEnable  Action = "plugin.enable"
	PluginRestart Action = "plugin.restart"
	PluginRelease Action = "plugin.release"
	AccountPause  Action = "account.pause"
	AccountResume Action = "account.resume"
	ConfigReload  Action = "config.reload"
	JournalReplay Action = "journal.replay"
	RetentionRun  Action = "retention.run"
	LetterReplay  Action = "deadletter.replay"
	LetterDiscard Action = "deadletter.discard"
	AuditExport   Action = "audit.export"
	JournalExport Action = "journal.export"
	HeldResolve   Action = "message.resolve"
)

// The outcomes that are no code.
const (
	begun = "begun"
	done  = "done"
)

// By is who acts.
type By struct {
	Token     string // the token's id
	Role      string
	RequestID string
}

// Did is the act of a change that commits together with its audit row.
func (by By) Did(action Action, subject string) store.Act {
	return by.act(action, subject, done)
}

func (by By) act(action Action, subject, outcome string) store.Act {
	return store.Act{
		Actor: by.Token, Role: by.Role, Action: string(action), Subject: subject,
		Outcome: outcome, RequestID: by.RequestID,
	}
}

// rows is the store as this room needs it.
type rows interface {
	Audit(ctx context.Context, act store.Act) error
}

// Log records acts outside the store. It is safe for concurrent use.
type Log struct{ rows rows }

// New returns a log that writes to the store.
func New(s *store.Store) *Log { return &Log{s} }

// outcomeTimeout bounds the writing of an outcome, which no longer hangs on
// the caller: the act is over.
const outcomeTimeout = 10 * time.Second

// Around does something and records it twice: that it begins, without which it
// does not begin, and how it ended. An act whose end is missing from the log
// was cut off by the end of the process.
func (l *Log) Around(ctx context.Context, by By, action Action, subject string, do func(context.Context) error) error {
	if err := l.rows.Audit(ctx, by.act(action, subject, begun)); err != nil {
		return fmt.Errorf("%s: record that it begins: %w", action, err)
	}
	err := do(ctx)
	outcome := done
	if err != nil {
		outcome = string(model.CodeOf(err))
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	if lost := l.rows.Audit(end, by.act(action, subject, outcome)); lost != nil && err == nil {
		return fmt.Errorf("%s: it is done, but record that it ended: %w", action, lost)
	}
	return err
}
