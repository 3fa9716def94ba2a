package media

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// ConsumerName is the consumer that the workers' place in a feed is kept under.
// No token can have this name, and retention does not wait for it.
const ConsumerName = "hub:media"

const (
	workEvery = 2 * time.Second
	workPage  = 100
	saveEvery = 1000 // rows
	// fetchWithin bounds one try to fetch or scan a file.
	fetchWithin = 5 * time.Minute
	retryMin    = 5 * time.Second
	retryMax    = 10 * time.Minute
)

// place is how far a client's feed is read, shard by shard. The marks may be
// ahead of those that were saved, by rows that tell of no files.
type place struct {
	marks   []store.Position
	unsaved int
}

// Run fetches and scans until ctx ends. Two hubs that run it do each other no
// harm: a file that both fetch is kept once.
func (m *Media) Run(ctx context.Context) {
	tick := time.NewTicker(workEvery)
	defer tick.Stop()
	for {
		m.Pass(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Pass looks once at every client's feed for files to fetch, and does what is
// to be done now. What fails is logged and done again later. One Pass at a time.
func (m *Media) Pass(ctx context.Context) {
	clients := m.o.Accounts.Clients()
	maps.DeleteFunc(m.places, func(id model.ClientID, _ *place) bool { // one that comes back may have a new feed
		return !slices.ContainsFunc(clients, func(c accounts.Client) bool { return c.ID == id })
	})
	for _, cl := range clients {
		client, err := m.o.Store.Client(ctx, cl.ID)
		if err == nil {
			err = m.find(ctx, client)
		}
		if err == nil {
			err = m.work(ctx, client)
		}
		if err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("files could not be looked after", telemetry.FieldClient, cl.ID, telemetry.FieldError, err)
		}
	}
}

// find notes the files that new events tell of as tasks, and moves on in the
// feed: the tasks are durable before the place is. The place is written behind
// rows that tell of files, and else now and then, since most tell of none: what
// a crash forgets of it is read again for nothing.
func (m *Media) find(ctx context.Context, client *store.Client) error {
	p := m.places[client.ID]
	if p == nil {
		saved, err := client.Consumer(ctx, ConsumerName)
		if err != nil {
			return err
		}
		p = &place{marks: saved.Marks}
		m.places[client.ID] = p
	}
	for shard, log := range client.FeedLogs() {
		for {
			n := p.marks[shard].N
			rows, err := log.Follow(ctx, n, workPage)
			if model.Is(err, model.NotFound) {
				if n, err = log.Floor(ctx); err == nil {
					rows, err = log.Follow(ctx, n, workPage)
				}
			}
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			noted, err := m.noteAll(ctx, client, rows)
			if err != nil {
				return err
			}
			p.marks[shard] = store.Position{N: rows[len(rows)-1].N}
			if p.unsaved += len(rows); !noted && p.unsaved < saveEvery {
				continue
			}
			if _, err = client.Acknowledge(ctx, ConsumerName, p.marks); err != nil {
				return err
			}
			p.unsaved = 0
		}
	}
	return nil
}

// noteAll notes the files of these rows as tasks, and reports whether there
// were any.
func (m *Media) noteAll(ctx context.Context, client *store.Client, rows []store.LogRow) (noted bool, err error) {
	for _, row := range rows {
		for _, r := range row.Records {
			if r.Kind != store.EventRecord || r.Files == 0 {
				continue
			}
			if err := m.note(ctx, client, r); err != nil {
				return noted, err
			}
			noted = true
		}
	}
	if noted {
		failpoint.Hit("media.after_tasks")
	}
	return noted, nil
}

func (m *Media) note(ctx context.Context, client *store.Client, r store.Record) error {
	e, err := client.Event(ctx, r.Conversation, r.Key)
	if model.Is(err, model.NotFound) || err == nil && e.Event.Message == nil {
		return nil // past its retention, or erased
	}
	if err != nil {
		return err
	}
	for i, f := range e.Event.Message.Attachments {
		if f.State == model.AttachmentRefused {
			continue
		}
		_, err := client.Attachment(ctx, f.ID)
		if err == nil {
			// Sent ahead of the message: now it is the message's.
			by := taking(e)
			by.Told = f.State
			a, err := m.Claim(ctx, client, f.ID, by)
			if err == nil {
				err = m.tell(ctx, client, a)
			}
			if err == nil || model.Is(err, model.NotFound) || model.Is(err, model.Conflicting) {
				continue
			}
			return err
		}
		if !model.Is(err, model.NotFound) {
			return err
		}
		if i >= len(e.FetchRefs) || len(e.FetchRefs[i]) == 0 {
			continue
		}
		err = client.PutMediaTask(ctx, store.MediaTask{
			ID: f.ID, Fetch: true, Conversation: e.Conversation, Event: e.Key, Index: i,
			Next: m.o.Now(), Ends: e.Received.Add(m.retention(client.ID).Attachments),
		}, true)
		if err != nil {
			return err
		}
	}
	return nil
}

func taking(e store.StoredEvent) Taking {
	return Taking{
		Account: e.Account, Conversation: e.Conversation, SealKey: e.SealKey,
		Message: model.MessagePlace{Conversation: e.Conversation, Direction: model.Inbound, Key: e.Key}.ID(),
	}
}

// work does the tasks whose time has come.
func (m *Media) work(ctx context.Context, client *store.Client) error {
	after := model.AttachmentID("")
	for {
		tasks, more, err := client.MediaTasks(ctx, after, workPage)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			after = t.ID
			if m.o.Now().Before(t.Next) {
				continue
			}
			if err := m.do(ctx, client, t); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// do makes one try. Its error is the store's: what goes wrong with the file is
// noted in the task.
func (m *Media) do(ctx context.Context, client *store.Client, t store.MediaTask) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	if !m.o.Now().Before(t.Ends) {
		return m.giveUp(ctx, client, t)
	}
	var err error
	if t.Fetch {
		err = m.fetch(ctx, client, t)
	} else {
		_, err = m.scanOne(ctx, client, t.ID)
	}
	if err == nil {
		return client.DoneMediaTask(ctx, t.ID)
	}
	t.Attempts++
	wait := retryMin << min(t.Attempts-1, 10)
	t.Next = m.o.Now().Add(min(wait, retryMax))
	m.o.Logger.Debug("a file is tried again later", telemetry.FieldClient, client.ID, "attachment", t.ID, "attempts", t.Attempts, telemetry.FieldCode, model.CodeOf(err))
	return client.PutMediaTask(ctx, t, false)
}

// fetch brings one file from its channel. A nil error means that the task is
// over, whatever became of the file.
func (m *Media) fetch(ctx context.Context, client *store.Client, t store.MediaTask) error {
	e, err := client.Event(ctx, t.Conversation, t.Event)
	if model.Is(err, model.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.Event.Message == nil || t.Index >= len(e.Event.Message.Attachments) || t.Index >= len(e.FetchRefs) {
		return nil // its content has ended
	}
	if a, err := client.Attachment(ctx, t.ID); err == nil {
		return m.tell(ctx, client, a) // a try that died behind the row
	} else if !model.Is(err, model.NotFound) {
		return err
	}
	acct, ok := m.o.Accounts.AccountOf(client.ID, e.Account)
	if !ok {
		return nil
	}
	told := e.Event.Message.Attachments[t.Index]
	tail, err := client.Feed(t.Conversation).Tail(ctx)
	if err != nil {
		return err
	}
	rules, by := m.RulesOf(acct), taking(e)
	described, body, err := m.o.Connectors.FetchAttachment(ctx, acct.Plugin, pluginhost.FetchRequest{
		AccountID: acct.ID, Attachment: told, FetchRef: e.FetchRefs[t.Index], MaxSize: rules.MaxSize,
	})
	var a store.Attachment
	if err == nil {
		name := told.Name
		if name == "" {
			name = described.Name
		}
		a, err = m.Take(ctx, client, File{
			ID: t.ID, Name: name, Kind: told.Kind, Account: acct.ID, SealKey: by.SealKey,
			Conversation: by.Conversation, Message: by.Message, Tail: tail, Ends: t.Ends, Rules: rules, Body: body,
		})
		_ = body.Close() // what it had to say, reading has said
	}
	reason := fetchRefusal(err)
	switch {
	case err == nil:
		return m.tell(ctx, client, a)
	case reason == "":
		return err
	}
	return m.refuse(ctx, client, store.Attachment{
		ID: t.ID, Account: acct.ID, Conversation: by.Conversation, Message: by.Message, SealKey: by.SealKey,
		Seq: 1, Tail: tail, Ends: t.Ends, Name: told.Name, Kind: told.Kind, Mime: told.MimeType,
	}, reason)
}

// fetchRefusal says why a file can never be had; empty when it may be.
func fetchRefusal(err error) string {
	switch {
	case err == nil:
		return ""
	case model.Is(err, model.TooLarge):
		return reasonSize
	case model.Is(err, model.NotFound), model.Is(err, model.Denied), model.Is(err, model.Precondition):
		return reasonChannel
	}
	return reasonOf(err)
}

// refuse writes the row of a file that is not taken, and tells.
func (m *Media) refuse(ctx context.Context, client *store.Client, a store.Attachment, reason string) error {
	a.State, a.Reason, a.Changed, a.Ends = model.AttachmentRefused, reason, m.o.Now(), a.Ends.Truncate(time.Millisecond)
	due := store.Due{ID: string(a.ID), Kind: DueKind, Ref: string(a.ID), At: a.Ends}
	if err := client.PutDue(ctx, due); err != nil {
		return err
	}
	a, _, err := client.PutAttachment(ctx, a)
	if err != nil {
		return err
	}
	return m.tell(ctx, client, a)
}

// tell puts the last change of a file into the feed, once.
func (m *Media) tell(ctx context.Context, client *store.Client, a store.Attachment) error {
	if a.Message == "" || a.Seq == 0 || a.State == model.AttachmentPending {
		return nil
	}
	if _, err := client.Feed(a.Conversation).Append(ctx, a.Record(), a.Tail); err != nil {
		return fmt.Errorf("tell change of attachment: %w", err)
	}
	failpoint.Hit("media.after_record")
	if m.o.Committed != nil {
		m.o.Committed(client.ID, a.Conversation)
	}
	return nil
}

// giveUp ends a task at the end of its file, which nobody could have.
func (m *Media) giveUp(ctx context.Context, client *store.Client, t store.MediaTask) error {
	if t.Fetch {
		acct := model.AccountID("")
		if e, err := client.Event(ctx, t.Conversation, t.Event); err == nil {
			acct = e.Account
		}
		log := client.Feed(t.Conversation)
		tail, err := log.Tail(ctx)
		if err != nil {
			return err
		}
		a := store.Attachment{
			ID: t.ID, Account: acct, Conversation: t.Conversation, State: model.AttachmentExpired, Seq: 1, Changed: m.o.Now(),
		}
		if _, err := log.Append(ctx, a.Record(), tail); err != nil {
			return fmt.Errorf("tell end of attachment: %w", err)
		}
	}
	return client.DoneMediaTask(ctx, t.ID)
}

// scanSoon scans a file that has just come, so that most are never pending for
// anybody. It returns the file as it is then.
func (m *Media) scanSoon(ctx context.Context, client *store.Client, a store.Attachment) store.Attachment {
	ctx, cancel := context.WithTimeout(ctx, scanWithin)
	defer cancel()
	now, err := m.scanOne(ctx, client, a.ID)
	if err == nil {
		err = client.DoneMediaTask(ctx, a.ID)
		a = now
	}
	if err != nil {
		m.o.Logger.Warn("a file waits for its scan", telemetry.FieldClient, client.ID, "attachment", a.ID, telemetry.FieldCode, model.CodeOf(err))
	}
	return a
}

// scanOne has a pending file scanned and writes the verdict. Without a verdict
// it stays pending, and nobody gets it.
func (m *Media) scanOne(ctx context.Context, client *store.Client, id model.AttachmentID) (store.Attachment, error) {
	a, err := client.Attachment(ctx, id)
	switch {
	case model.Is(err, model.NotFound):
		return a, nil
	case err != nil:
		return a, err
	case a.State != model.AttachmentPending:
		return a, m.tell(ctx, client, a)
	case a.Gone(m.o.Now()):
		return a, nil
	case m.scanner == nil:
		return a, model.Errorf(model.Unavailable, "scan attachment", "no scanner is configured")
	}
	body, err := m.open(ctx, client.ID, a, 0)
	if err != nil {
		return a, err
	}
	clean, err := m.scanner.scan(ctx, body)
	_ = body.Close()
	if err != nil {
		return a, err
	}
	for range maxConflicts {
		a.State, a.Changed = model.AttachmentReady, m.o.Now()
		if !clean {
			a.State, a.Reason = model.AttachmentRefused, reasonInfected
		}
		if a.Message != "" {
			a.Seq++
			if a.Tail, err = client.Feed(a.Conversation).Tail(ctx); err != nil {
				return a, err
			}
		}
		now, ok, err := client.PutAttachment(ctx, a)
		if err != nil {
			return a, err
		}
		if a = now; !ok {
			if a.State == model.AttachmentPending {
				continue // a message took it meanwhile
			}
		}
		if a.State == model.AttachmentRefused {
			// The bytes go now; what this leaves goes at the file's end.
			if err := m.o.Blobs.For(client.ID).Delete(ctx, blob.Key(a.Blob)); err != nil {
				m.o.Logger.Warn("an infected file is removed at its end only", telemetry.FieldClient, client.ID, "attachment", a.ID, telemetry.FieldError, err)
			}
		}
		return a, m.tell(ctx, client, a)
	}
	return a, model.Errorf(model.Unavailable, "scan attachment", "the attachment keeps changing")
}
