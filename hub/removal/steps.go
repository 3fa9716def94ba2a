package removal

import (
	"context"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// job is one removal at work. It belongs to one goroutine.
type job struct {
	*Remover
	m     store.Removal
	since int // contacts since the counts were noted
}

// run removes everything. It may be repeated from anywhere: what is found by
// something goes before it.
func (j *job) run(ctx context.Context) error {
	known, err := j.o.Store.Known(ctx)
	if err != nil {
		return err
	}
	if err := j.rows(ctx, known); err != nil {
		return err
	}
	if j.m.Account == "" {
		if err := j.place(ctx, known); err != nil {
			return err
		}
	}
	j.m.Journals = nil
	for plugin, n := range j.o.Undrained() {
		if n > 0 {
			if j.m.Journals == nil {
				j.m.Journals = map[model.PluginID]int{}
			}
			j.m.Journals[plugin] = n
		}
	}
	j.m.Step, j.m.Done = store.RemovalDone, j.o.Now()
	j.m.Expires = j.m.Done.Add(j.o.Keep())
	act := store.Act{Actor: j.m.By, Role: "removal", Action: actionOf(j.m), Subject: j.m.Subject(), Outcome: "done"}
	if err := j.o.Store.EndRemoval(ctx, j.m, act); err != nil {
		return err
	}
	failpoint.Hit("removal.after_done")
	j.o.Ended(j.m)
	return nil
}

// rows removes the client's own rows, as far as they are meant.
func (j *job) rows(ctx context.Context, known store.Known) error {
	client, err := j.o.Store.Client(ctx, j.m.Client)
	if err != nil {
		return err
	}
	ids := known.Of(j.m.Client)
	targets := []model.AccountID{j.m.Account}
	if j.m.Account == "" {
		// Records of an older hub tell of accounts that it did not note.
		more, err := client.AccountsOfFeed(ctx)
		if err != nil {
			return err
		}
		ids = append(ids, more...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
		targets = ids
	}
	if err := j.files(ctx, client); err != nil {
		return err
	}
	for _, account := range targets {
		if err := j.account(ctx, client, account, ids); err != nil {
			return err
		}
	}
	if j.m.Account != "" {
		return nil
	}
	n, err := client.RemoveLetters(ctx, "")
	if err != nil {
		return err
	}
	j.m.Removed.DeadLetters += n
	if err := client.RemoveRest(ctx); err != nil {
		return err
	}
	j.o.Store.ForgetClient(j.m.Client)
	return nil
}

// place removes what lies outside the client's rows.
func (j *job) place(ctx context.Context, known store.Known) error {
	if j.o.RemovePlace != nil {
		if err := j.o.RemovePlace(j.m.Client); err != nil {
			return err
		}
	}
	for _, account := range known.Of(j.m.Client) {
		if err := j.o.Store.ForgetAccount(ctx, j.m.Client, account, true); err != nil {
			return err
		}
	}
	failpoint.Hit("removal.after_place")
	return nil
}

// account removes everything of one account; others are all accounts that the
// client has or had.
func (j *job) account(ctx context.Context, client *store.Client, account model.AccountID, others []model.AccountID) error {
	n, err := j.o.DropJournal(ctx, account)
	if err != nil {
		return err
	}
	j.m.Removed.Journaled += n
	failpoint.Hit("removal.after_journal")
	if n, err = client.RemoveLetters(ctx, account); err != nil {
		return err
	}
	j.m.Removed.DeadLetters += n
	failpoint.Hit("removal.after_letters")
	err = client.RemoveContacts(ctx, account, others, j.m.Account == "", func(conv model.ConversationID, n store.RemovedRows) error {
		j.m.Removed.Add(n)
		if err := j.o.Store.DropActive(ctx, j.m.Client, conv); err != nil {
			return err
		}
		if j.since++; j.since%noteEvery > 0 {
			return nil
		}
		var err error
		j.m, err = j.o.Store.PutRemoval(ctx, j.m)
		return err
	})
	if err != nil {
		return err
	}
	if err := client.RemoveAccountRows(ctx, account); err != nil {
		return err
	}
	failpoint.Hit("removal.after_account_rows")
	// While a client goes, its accounts stay known until the end.
	if err := j.o.Store.ForgetAccount(ctx, j.m.Client, account, false); err != nil {
		return err
	}
	j.m.Removed.Accounts++
	return nil
}

// files removes the files of the account, or all of them, with the work that
// is left on them. They are found by their due rows, which are there before
// the bytes.
func (j *job) files(ctx context.Context, client *store.Client) error {
	err := client.EachDue(ctx, func(d store.Due) error {
		file := d.Kind == j.o.FileKind
		if !file && j.m.Account != "" {
			return nil // a replay that a crash cut off finds nothing any more
		}
		if file {
			a, err := client.Attachment(ctx, model.AttachmentID(d.Ref))
			if err != nil && !model.Is(err, model.NotFound) && !model.Is(err, model.Corrupt) {
				return err
			}
			if j.m.Account != "" && a.Account != j.m.Account {
				return nil
			}
			// A bucket that is gone has taken its files along.
			if err := j.o.RemoveFile(ctx, client, d); ifNot(model.NotFound, err) != nil {
				return err
			}
			failpoint.Hit("removal.after_file")
			if err := client.DoneMediaTask(ctx, model.AttachmentID(d.Ref)); err != nil {
				return err
			}
			j.m.Removed.Attachments++
		}
		return client.DoneDue(ctx, d)
	})
	if err != nil {
		return err
	}
	return j.tasks(ctx, client)
}

// tasks removes work on files that were never fetched.
func (j *job) tasks(ctx context.Context, client *store.Client) error {
	const page = 500
	for after := model.AttachmentID(""); ; {
		tasks, more, err := client.MediaTasks(ctx, after, page)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			after = t.ID
			if j.m.Account != "" {
				e, err := client.Event(ctx, t.Conversation, t.Event)
				if err != nil && !model.Is(err, model.NotFound) && !model.Is(err, model.Corrupt) {
					return err
				}
				if e.Account != j.m.Account {
					continue
				}
			}
			if err := client.DoneMediaTask(ctx, t.ID); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
