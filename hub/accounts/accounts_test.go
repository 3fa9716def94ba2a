package accounts_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
)

func set(ids ...model.AccountID) accounts.Set {
	s := accounts.Set{Clients: map[model.ClientID]accounts.Client{"acme": {ID: "acme"}, "other": {ID: "other"}}, Accounts: map[model.AccountID]accounts.Account{}}
	for _, id := range ids {
		client, _, _ := strings.Cut(string(id), "-")
		s.Accounts[id] = accounts.Account{ID: id, Client: model.ClientID(client)}
	}
	return s
}

func TestRegistry(t *testing.T) {
	r := accounts.NewRegistry()
	if len(r.Accounts("")) != 0 || len(r.Clients()) != 0 {
		t.Error("a new registry is not empty")
	}
	r.Replace(set("acme-b", "acme-a", "other-a"))
	if got := fmt.Sprint(ids(r.Accounts("acme")), ids(r.Accounts("")), len(r.Clients())); got != "[acme-a acme-b] [acme-a acme-b other-a] 2" {
		t.Errorf("lists %s", got)
	}
	if _, ok := r.AccountOf("acme", "acme-a"); !ok {
		t.Error("the client's own account is not found")
	}
	if _, ok := r.AccountOf("acme", "other-a"); ok {
		t.Error("I8: another client's account is found")
	}
	if a, ok := r.AccountOf("other", "acme-a"); ok || a.ID != "" {
		t.Errorf("I8: a foreign account came back as %+v", a)
	}
}

func ids(all []accounts.Account) (out []model.AccountID) {
	for _, a := range all {
		out = append(out, a.ID)
	}
	return out
}

func TestStates(t *testing.T) {
	r := accounts.NewRegistry()
	r.Replace(set("acme-a"))
	at := time.Now()
	if got := r.Status("acme-a").State; got != accounts.Closed {
		t.Errorf("a new account is %s", got)
	}
	if r.Move("nowhere", accounts.Open, "", at) || r.Status("nowhere").State != accounts.Closed {
		t.Error("an account that is not configured moved")
	}
	if !r.Move("acme-a", accounts.Open, "", at) || r.Move("acme-a", accounts.Open, "again", at.Add(time.Hour)) {
		t.Error("only the first of two moves is a change")
	}
	if got := r.Status("acme-a"); got.Detail != "again" || !got.Since.Equal(at) {
		t.Errorf("status %+v", got)
	}
	if !r.Move("acme-a", accounts.Paused, "", at) || r.Move("acme-a", accounts.BadCredentials, "", at) {
		t.Error("a paused account took the word of its provider")
	}
	for _, to := range []accounts.State{
		accounts.Open, accounts.Degraded, accounts.PluginAway, accounts.Refused, accounts.Blocked, accounts.Unreachable,
	} {
		if r.Move("acme-a", to, "", at) {
			t.Errorf("a paused account became %s, and nobody resumed it", to)
		}
	}
	r.Replace(set("acme-a", "acme-b"))
	if got := r.Status("acme-a").State; got != accounts.Paused {
		t.Errorf("a reload made it %s", got)
	}
	r.Replace(set())
	r.Replace(set("acme-a"))
	if got := r.Status("acme-a").State; got != accounts.Closed {
		t.Errorf("an account that was away comes back %s", got)
	}
}

// TestAPauseIsNeverLost: whatever is found out of an account while an operator
// pauses it, it ends paused, and goes on only when it is resumed.
func TestAPauseIsNeverLost(t *testing.T) {
	r := accounts.NewRegistry()
	r.Replace(set("acme-a"))
	for range 200 {
		var wg sync.WaitGroup
		for _, to := range []accounts.State{accounts.Open, accounts.PluginAway, accounts.Open, accounts.Degraded, accounts.Paused} {
			wg.Go(func() { r.Move("acme-a", to, "", time.Now()) })
		}
		wg.Wait()
		if got := r.Status("acme-a").State; got != accounts.Paused {
			t.Fatalf("a paused account is %s", got)
		}
		if !r.Move("acme-a", accounts.Closed, "", time.Now()) {
			t.Fatal("it cannot be resumed")
		}
	}
}

func TestWhichStatesSend(t *testing.T) {
	for state, want := range map[accounts.State]bool{
		accounts.Closed: false, accounts.Open: true, accounts.Degraded: true, accounts.Paused: false, accounts.Disabled: false,
		accounts.PluginAway: false, accounts.Refused: false, accounts.BadCredentials: false, accounts.Blocked: false, accounts.Unreachable: true,
	} {
		if state.Sends() != want {
			t.Errorf("%s sends: %v", state, !want)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	a := accounts.Account{ID: "acme-a", Secrets: accounts.Secrets{"app_secret": {"hunter2"}}}
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{string(encoded), fmt.Sprint(a), fmt.Sprintf("%+v %#v %s %q", a, a, a.Secrets, a.Secrets)} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("a secret prints: %s", s)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r := accounts.NewRegistry()
	r.Replace(set("acme-a"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				r.Replace(set("acme-a", "acme-b"))
				r.Move("acme-a", accounts.Open, "", time.Now())
				r.Move("acme-a", accounts.Paused, "", time.Now())
				if n := len(r.Accounts("acme")); n != 2 && n != 1 {
					t.Errorf("half a set of %d accounts", n)
				}
				_ = r.Status("acme-a")
			}
		})
	}
	wg.Wait()
}
