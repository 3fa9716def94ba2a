package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	journalHeadSchema = 1
	journalHeadPK     = "journal"
)

// JournalRoute names what waits together and in order: what came in for one
// account of a connector, or for the connector as a whole when the account is
// empty.
type JournalRoute struct {
	Plugin  model.PluginID
	Account model.AccountID
}

// Ids hold no slash, so a route has one spelling.
func (r JournalRoute) String() string { return string(r.Plugin) + "/" + string(r.Account) }

func parseJournalRoute(s string) (JournalRoute, bool) {
	plugin, account, ok := strings.Cut(s, "/")
	return JournalRoute{Plugin: model.PluginID(plugin), Account: model.AccountID(account)}, ok
}

// JournalCount is how much waits in a journal: entries, and the bytes that
// they had when they came in.
type JournalCount struct {
	Entries int
	Bytes   int64
}

func (c JournalCount) plus(d JournalCount) JournalCount {
	return JournalCount{c.Entries + d.Entries, c.Bytes + d.Bytes}
}

func (c JournalCount) minus(d JournalCount) JournalCount {
	return JournalCount{c.Entries - d.Entries, c.Bytes - d.Bytes}
}

// Journals are the logs of what no connector could take yet, one for each
// route. They lie among the hub's own rows, and are the exception there:
// content is in them, sealed under a key that lives for one day and is
// destroyed once nothing of that day waits.
//
// A process opens one Journals value and keeps it as long as its Store. It is
// safe for concurrent use.
type Journals struct {
	rows table.Handle
	seal *seal.Client
	now  func() time.Time
	busy *sync.WaitGroup // counts appenders at work

	mu     sync.Mutex
	routes map[JournalRoute]*Journal
	days   map[string]bool // whose keys exist, as far as this process knows
}

// OpenJournals finds every journal that there is. What waits in one costs two
// reads to find out, however much it is.
func (s *Store) OpenJournals(ctx context.Context) (*Journals, error) {
	sealing, err := s.sealer.Client(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("open journals: %w", err)
	}
	js := &Journals{
		rows: s.table.Hub(), seal: sealing, now: s.now, busy: &s.appends,
		routes: map[JournalRoute]*Journal{}, days: map[string]bool{},
	}
	for q := (table.Query{PK: journalHeadPK, Limit: 500}); ; {
		page, err := js.rows.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("open journals: %w", err)
		}
		for _, row := range page.Rows {
			if err := js.adopt(ctx, row); err != nil {
				return nil, fmt.Errorf("open journals: %w", err)
			}
			q.After = row.SK
		}
		if !page.More {
			return js, nil
		}
	}
}

// adopt makes the journal of a head row known.
func (js *Journals) adopt(ctx context.Context, row table.Row) error {
	route, ok := parseJournalRoute(row.SK)
	if !ok {
		return model.Errorf(model.Corrupt, "read journal", "a key names a connector and an account")
	}
	j := &Journal{Route: route, all: js, pk: "journal/" + route.String()}
	if err := j.head.decode(row); err != nil {
		return err
	}
	if err := j.find(ctx); err != nil {
		return err
	}
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.routes[route] == nil {
		js.routes[route] = j
	}
	return nil
}

// All returns the journals by connector and account.
func (js *Journals) All() []*Journal {
	js.mu.Lock()
	defer js.mu.Unlock()
	return slices.SortedFunc(maps.Values(js.routes), func(a, b *Journal) int {
		return cmp.Or(cmp.Compare(a.Route.Plugin, b.Route.Plugin), cmp.Compare(a.Route.Account, b.Route.Account))
	})
}

// Find returns the journal of a route; false when nothing was ever put into
// one. It reads no row.
func (js *Journals) Find(route JournalRoute) (*Journal, bool) {
	js.mu.Lock()
	defer js.mu.Unlock()
	j, ok := js.routes[route]
	return j, ok
}

// Open returns the journal of a route, making it at the first call. Its head
// is there before its first entry, so that the next start finds it.
func (js *Journals) Open(ctx context.Context, route JournalRoute) (*Journal, error) {
	if j, ok := js.Find(route); ok {
		return j, nil
	}
	value, err := encodePlain(journalHeadSchema, journalHead{})
	if err != nil {
		return nil, err
	}
	row, _, err := putOrFound(ctx, js.rows, journalHeadPK, route.String(), value, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	if err := js.adopt(ctx, row); err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	j, _ := js.Find(route)
	return j, nil
}

// Journal is the log of one route. Entries are appended behind each other and
// taken off the front. It is safe for concurrent use; Done and Tried are meant
// for one caller at a time.
type Journal struct {
	Route JournalRoute

	all *Journals
	pk  string

	mu       sync.Mutex
	head     journalHead
	tail     journalTail
	trimmed  uint64       // rows up to this one are gone
	promised JournalCount // handed to Append and not yet durable
	stale    bool         // a write was lost from sight: the tail must be read again
	queue    []*journalAppend
	leading  bool
}

// journalTail is the newest row known to exist.
type journalTail struct {
	n     uint64
	total JournalCount // of all entries ever, this row's included
	day   string
	bare  bool // what it held is gone
}

// journalHead is the row that says how far the journal was worked off. The
// numbers of what became of the entries are kept for the route's whole life.
type journalHead struct {
	Floor    uint64 `json:"f"` // rows up to this one are done with
	Entries  int    `json:"n"` // totals as of that row
	Bytes    int64  `json:"b"`
	Attempts int    `json:"a,omitempty"` // on the entry behind the floor
	JournalTally

	version table.Version
}

// JournalTally counts what became of entries.
type JournalTally struct {
	Replayed int `json:"r,omitempty"` // the connector took them
	Refused  int `json:"x,omitempty"` // nobody will ever take them
	Expired  int `json:"e,omitempty"` // the connector stayed away too long
}

// Plus adds two tallies.
func (t JournalTally) Plus(u JournalTally) JournalTally {
	return JournalTally{t.Replayed + u.Replayed, t.Refused + u.Refused, t.Expired + u.Expired}
}

func (h *journalHead) decode(row table.Row) error {
	*h = journalHead{version: row.Version}
	if _, err := decodeHeader(row.Value, journalHeadSchema, h); err != nil {
		return fmt.Errorf("read journal head: %w", err)
	}
	return nil
}

// find reads both ends of the log.
func (j *Journal) find(ctx context.Context) error {
	q := table.Query{PK: j.pk, From: logRowTag, To: claimSK, Limit: 1}
	oldest, err := j.all.rows.Query(ctx, q)
	if err != nil {
		return fmt.Errorf("find journal's oldest row: %w", err)
	}
	q.Reverse = true
	newest, err := j.all.rows.Query(ctx, q)
	if err != nil {
		return fmt.Errorf("find journal tail: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stale = false
	if len(oldest.Rows) == 0 || len(newest.Rows) == 0 {
		return nil
	}
	row, err := decodeJournalRow(newest.Rows[0])
	if err != nil {
		return err
	}
	j.trimmed = max(j.trimmed, rowNumber(oldest.Rows[0].SK)-1)
	j.reach(row)
	return nil
}

// reach notes a row that is known to exist. The lock is held.
func (j *Journal) reach(row journalRow) {
	if row.n > j.tail.n {
		j.tail = journalTail{n: row.n, total: row.header.total(), day: row.header.Day, bare: row.header.Parts == 0}
	}
}

// Waiting is how much is in the journal or about to be. It reads no row.
func (j *Journal) Waiting() JournalCount {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting()
}

func (j *Journal) waiting() JournalCount {
	done := JournalCount{j.head.Entries, j.head.Bytes}
	w := j.tail.total.minus(done).plus(j.promised)
	if w.Entries <= 0 { // bytes of an entry that was never finished
		return JournalCount{}
	}
	return w
}

// Quiet reports whether nothing waits and nothing is in doubt. It reads no
// row.
func (j *Journal) Quiet() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting().Entries == 0 && !j.stale
}

// Tally is what became of the entries that were taken off so far.
func (j *Journal) Tally() JournalTally {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head.JournalTally
}

// Refresh looks at the table again after a write whose end nobody saw: an
// entry may be there that its caller was told is not. Otherwise it does
// nothing.
func (j *Journal) Refresh(ctx context.Context) error {
	j.mu.Lock()
	stale := j.stale
	j.mu.Unlock()
	if !stale {
		return nil
	}
	return j.find(ctx)
}
