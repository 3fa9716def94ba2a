package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

type conversation struct {
	ID          string          `json:"id"`
	AccountID   string          `json:"account_id"`
	Channel     string          `json:"channel"`
	State       string          `json:"state"`
	ReadUpTo    string          `json:"read_up_to"`
	LastEventAt string          `json:"last_event_at"`
	LastMessage hubtest.Message `json:"last_message"`
	Contact     struct {
		Address string `json:"address"`
	} `json:"contact"`
}

type listOf[T any] struct {
	Data       []T    `json:"data"`
	NextCursor string `json:"next_cursor"`
}

// walk reads a list page by page.
func walk[T any](h *hubtest.Hub, path string, limit int) (all []T, pages int) {
	cursor := ""
	for {
		var page listOf[T]
		h.Get(hubtest.Desk, fmt.Sprintf("%s?limit=%d&cursor=%s", path, limit, cursor), &page)
		all = append(all, page.Data...)
		pages++
		if cursor = page.NextCursor; cursor == "" || pages > 50 {
			return all, pages
		}
	}
}

func TestConversations(t *testing.T) {
	h := hubtest.New(t, nil)
	for n := range 5 {
		h.Say(fmt.Sprintf("customer-%d", n), "1", fmt.Sprintf("question %d", n))
	}
	// The provider takes nothing: answers are newer than anything in the feed.
	h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for n := range 5 {
		h.Send(fmt.Sprintf("customer-%d", n), "answer")
	}
	t.Run("pages", func(t *testing.T) {
		h := h.In(t)
		all, pages := walk[conversation](h, "/v1/conversations", 2)
		var order []string
		for _, c := range all {
			order = append(order, c.Contact.Address)
		}
		if got := fmt.Sprint(order); got != "[customer-4 customer-3 customer-2 customer-1 customer-0]" || pages != 3 {
			t.Errorf("%d pages: %s", pages, got)
		}
		if c := all[0]; c.AccountID != "acme-echo" || c.Channel != "echo" || c.State != "open" || c.LastMessage.Content.Text != "answer" || c.LastMessage.Status != "queued" {
			t.Errorf("conversation %+v", c)
		}
		for _, listed := range all {
			var alone conversation
			if h.Get(hubtest.Desk, "/v1/conversations/"+listed.ID, &alone); alone.LastEventAt != listed.LastEventAt || alone.LastEventAt == "" {
				t.Errorf("last_event_at is %q in the list and %q alone", listed.LastEventAt, alone.LastEventAt)
			}
		}
	})
	t.Run("messages", func(t *testing.T) {
		h := h.In(t)
		var list listOf[conversation]
		h.Get(hubtest.Desk, "/v1/conversations?limit=1", &list)
		id := list.Data[0].ID
		for n := range 4 {
			h.Say("customer-4", fmt.Sprint("more-", n), fmt.Sprint("more ", n))
		}
		all, pages := walk[hubtest.Message](h, "/v1/conversations/"+id+"/messages", 4)
		var texts []string
		for _, m := range all {
			texts = append(texts, m.Content.Text)
		}
		if got := fmt.Sprintf("%q", texts); got != `["more 3" "more 2" "more 1" "more 0" "answer" "question 4"]` || pages != 2 {
			t.Errorf("%d pages: %s", pages, got)
		}
		// Whoever reads the feed shows them in the same order.
		told := map[string]string{}
		for _, e := range h.Events(hubtest.Desk, "limit=100").Data {
			if e.Type == "message.received" {
				told[e.Message.ID] = e.Message.CreatedAt
			}
		}
		for _, m := range all {
			if m.Direction == "inbound" && (m.CreatedAt == "" || told[m.ID] != m.CreatedAt) {
				t.Errorf("%q was committed at %q, and at %q in its event", m.Content.Text, m.CreatedAt, told[m.ID])
			}
		}
	})
	t.Run("cursors", func(t *testing.T) {
		h := h.In(t)
		for _, cursor := range []string{"nonsense!", "bm9uc2Vuc2U", "MTIz"} {
			a := h.Call(hubtest.Desk, http.MethodGet, "/v1/conversations?cursor="+cursor, nil)
			if a.Status != 422 || a.Problem().Fields() != "cursor" {
				t.Errorf("%q: %d %s", cursor, a.Status, a.Body)
			}
		}
	})
	t.Run("signals", func(t *testing.T) {
		h := h.In(t)
		var list listOf[conversation]
		h.Get(hubtest.Desk, "/v1/conversations?limit=200", &list)
		c := list.Data[len(list.Data)-1] // customer-0: one question, one answer
		path := "/v1/conversations/" + c.ID
		messages, _ := walk[hubtest.Message](h, path+"/messages", 10)
		answer, question := messages[0].ID, messages[1].ID
		act := func(what string, body any, want int) hubtest.Answer {
			t.Helper()
			a := h.Call(hubtest.Desk, http.MethodPost, path+what, body)
			if a.Status != want {
				t.Errorf("%s %v: %d %s, want %d", what, body, a.Status, a.Body, want)
			}
			return a
		}
		mark := func() string {
			t.Helper()
			var now conversation
			h.Get(hubtest.Desk, path, &now)
			return now.ReadUpTo
		}
		act("/typing", nil, 204)
		act("/typing", "{}", 204)
		act("/typing", `{"x":1}`, 422)
		act("/read", `{"up_to":"`+question+`"}`, 204)
		act("/read", `{"up_to":"`+answer+`"}`, 204)
		act("/read", `{"up_to":"`+question+`"}`, 204)
		if got := mark(); got != answer {
			t.Errorf("read up to %s, want %s: marks do not go back", got, answer)
		}
		foreign, _ := walk[hubtest.Message](h, "/v1/conversations/"+list.Data[0].ID+"/messages", 1)
		for _, id := range []string{"", "msg_x", foreign[0].ID} {
			if a := act("/read", `{"up_to":"`+id+`"}`, 422); a.Problem().Fields() != "up_to" {
				t.Errorf("%q: %s", id, a.Body)
			}
		}
		before := len(h.Events(hubtest.Archive, "limit=500").Data)
		act("/end", nil, 204)
		act("/end", nil, 204)
		events := h.Events(hubtest.Archive, "limit=500").Data[before:]
		if len(events) != 1 || events[0].Type != "conversation.ended" || events[0].Reason != "csr" {
			t.Errorf("two ends are told as %+v", events)
		}
		var now conversation
		if h.Get(hubtest.Desk, path, &now); now.State != "ended" {
			t.Errorf("state %s", now.State)
		}
		h.Say("customer-0", "2", "once more")
		if h.Get(hubtest.Desk, path, &now); now.State != "open" {
			t.Errorf("behind a new message: state %s", now.State)
		}
	})
}
