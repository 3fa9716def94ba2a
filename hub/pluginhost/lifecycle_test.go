package pluginhost

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

// alive reports whether the process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}

func TestCrashIsRepaired(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	h.set(t, "other", "good")
	first := h.StatusOf("one").PID

	_, err := h.ask(testContext(t), "one", "exit", "")
	wantCode(t, err, model.Unavailable)
	backoff := h.awaitState(t, "one", StateBackoff, 1)
	if !strings.Contains(backoff.LastFault, "exit status 7") || backoff.NextStart.IsZero() {
		t.Errorf("status after the crash is %+v", backoff)
	}
	again := h.awaitState(t, "one", StateRunning, 2)
	if again.PID == first || again.Restarts != 1 {
		t.Errorf("status after the restart is %+v", again)
	}
	// The account was opened again before the process took a call.
	h.works(t, "one")
	h.await(t, "the account opened again", func(_ []PluginStatus, opened []AccountOpening) bool {
		return slices.ContainsFunc(opened, func(o AccountOpening) bool {
			return o.AccountID == account("one") && o.Err == nil && slices.Equal(o.ProviderAddresses, []string{"at-one-account"})
		})
	})
	h.works(t, "other")
}

func TestCrashLoopIsQuarantined(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "other", "good")
	must(t, h.Start(testContext(t), Spec{ID: "one", Path: evil(t, "crashloop")}))
	h.awaitState(t, "one", StateQuarantined, 1)
	starts := 0
	h.await(t, "nothing", func(history []PluginStatus, _ []AccountOpening) bool {
		for _, s := range history {
			if s.ID == "one" && s.State == StateStarting {
				starts++
			}
		}
		return true
	})
	if starts != 5 {
		t.Errorf("%d starts before the quarantine, want 5", starts)
	}
	_, err := h.ask(testContext(t), "one", "", "")
	wantCode(t, err, model.Unavailable)
	h.works(t, "other")

	must(t, h.Release(testContext(t), "one"))
	h.awaitState(t, "one", StateQuarantined, 2)
	if got := h.StatusOf("one").Restarts; got != 8 {
		t.Errorf("%d restarts, want 8: four before each quarantine", got)
	}
}

func TestBadStartIsAStateForStartAndAFaultForSet(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.BackoffMin = within })
	spec := Spec{ID: "one", Path: evil(t, "exit")}
	err := h.Set(testContext(t), spec)
	wantCode(t, err, model.Unavailable)
	if got := h.StatusOf("one").State; got != StateAbsent {
		t.Errorf("Set left state %s", got)
	}
	must(t, h.Start(testContext(t), spec))
	if got := h.StatusOf("one"); got.State != StateBackoff || got.LastFault == "" {
		t.Errorf("Start left %+v", got)
	}
	_, err = h.OpenAccount(testContext(t), "one", AccountSettings{AccountID: account("one"), Revision: 1})
	wantCode(t, err, model.Unavailable)

	// The account is wanted from then on: whoever comes up next has it.
	must(t, h.Set(testContext(t), Spec{ID: "one", Path: evil(t, "good")}))
	h.works(t, "one")
}

func TestSetReplacesWithoutAGap(t *testing.T) {
	h := newTestHost(t, nil)
	old := h.set(t, "one", "good")
	before := h.StatusOf("one")

	// An equal spec with the same program is left alone.
	must(t, h.Set(testContext(t), old))
	if got := h.StatusOf("one").PID; got != before.PID {
		t.Fatal("an equal spec started another process")
	}

	// Calls go on throughout: those under way finish on the old process.
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := h.ask(testContext(t), "one", "slow", ""); err != nil {
					t.Errorf("a call during the swap got %v", err)
					return
				}
			}
		})
	}
	for _, mode := range []string{"v2", "good", "v2"} {
		must(t, h.Set(testContext(t), Spec{ID: "one", Path: evil(t, mode)}))
	}
	close(stop)
	wg.Wait()
	if after := h.StatusOf("one"); after.Version != "2.0.0" || after.PID == before.PID || after.Restarts != 0 {
		t.Errorf("status after the swaps is %+v", after)
	}
	h.works(t, "one")
}

func TestSetChangesNothingOnAFault(t *testing.T) {
	for _, mode := range []string{"exit", "baddescribe", "refuser"} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t, nil)
			h.set(t, "one", "good")
			before := h.StatusOf("one")
			if err := h.Set(testContext(t), Spec{ID: "one", Path: evil(t, mode)}); err == nil {
				t.Fatal("the fault was not noticed")
			}
			after := h.StatusOf("one")
			if after.PID != before.PID || after.State != StateRunning {
				t.Errorf("status is %+v, was %+v", after, before)
			}
			h.works(t, "one")
		})
	}
}

func TestSetReplacesExclusiveSessionsOneAfterTheOther(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "exclusive")
	old := h.StatusOf("one").PID
	must(t, h.Set(testContext(t), Spec{ID: "one", Path: evil(t, "exclusive"), Config: []byte(`{"new":true}`)}))
	if alive(old) {
		t.Error("the old process still ran when the new one had taken over")
	}
	h.works(t, "one")
}

func TestRestartAndDisableAndRemove(t *testing.T) {
	h := newTestHost(t, nil)
	spec := h.set(t, "one", "good")
	first := h.StatusOf("one").PID
	must(t, h.Restart(testContext(t), "one"))
	second := h.StatusOf("one").PID
	if first == second {
		t.Error("restart kept the process")
	}
	h.works(t, "one")

	spec.Disabled = true
	must(t, h.Set(testContext(t), spec))
	if got := h.StatusOf("one").State; got != StateDisabled {
		t.Errorf("state is %s", got)
	}
	_, err := h.ask(testContext(t), "one", "", "")
	wantCode(t, err, model.Unavailable)
	wantCode(t, h.Restart(testContext(t), "one"), model.Precondition)

	spec.Disabled = false
	must(t, h.Set(testContext(t), spec))
	h.works(t, "one")
	pid := h.StatusOf("one").PID
	must(t, h.Remove(testContext(t), "one"))
	if alive(pid) {
		t.Error("the process outlived its removal")
	}
	if got := h.StatusOf("one").State; got != StateAbsent || len(h.Status()) != 0 {
		t.Errorf("state is %s", got)
	}
	must(t, h.Remove(testContext(t), "one"))
}

func TestDrainLetsCallsFinish(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	answered := make(chan error, 4)
	for range cap(answered) {
		go func() {
			_, err := h.ask(testContext(t), "one", "slow", "")
			answered <- err
		}()
	}
	p, err := h.running("one")
	must(t, err)
	// The calls have to be under way for the test to mean anything.
	for p.underWay() < cap(answered) {
		runtime.Gosched()
	}
	must(t, h.Remove(testContext(t), "one"))
	for range cap(answered) {
		if err := <-answered; err != nil {
			t.Errorf("a call under way got %v", err)
		}
	}
}

func (p *process) underWay() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func TestDrainEndsAtItsDeadline(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Timings.Drain = 1 })
	h.set(t, "one", "ignoreterm")
	pid := h.StatusOf("one").PID
	answered := make(chan error, 1)
	go func() {
		_, err := h.ask(testContext(t), "one", "hang", "")
		answered <- err
	}()
	p, err := h.running("one")
	must(t, err)
	for p.underWay() == 0 {
		runtime.Gosched()
	}
	must(t, h.Remove(testContext(t), "one"))
	wantCode(t, <-answered, model.Unavailable)
	if alive(pid) {
		t.Error("the process outlived its removal")
	}
}

func TestProbeJudgesSettings(t *testing.T) {
	h := newTestHost(t, nil)
	desc, validate, done, err := h.Probe(testContext(t), Spec{ID: "one", Path: evil(t, "good")})
	must(t, err)
	defer done()
	if desc.Name != "evil" {
		t.Errorf("descriptor is %+v", desc)
	}
	if faults := validate(AccountSettings{AccountID: "a", Config: []byte(`{}`)}); len(faults) != 0 {
		t.Errorf("good settings have faults %v", faults)
	}
	faults := validate(AccountSettings{AccountID: "a", Config: []byte(`{"bad":1}`)})
	if len(faults) != 1 || faults[0].Field != "config.bad" || len(faults[0].Detail) > maxDetail || strings.Contains(faults[0].Detail, "\x1b") {
		t.Errorf("bad settings have faults %q", faults)
	}
	if len(h.Status()) != 0 {
		t.Error("a probe is a plugin")
	}
	done()
	done()
}

func TestAccountRevisions(t *testing.T) {
	h := newTestHost(t, nil)
	h.set(t, "one", "good")
	ctx := testContext(t)
	if _, err := h.OpenAccount(ctx, "one", AccountSettings{AccountID: account("one"), Revision: 5}); err != nil {
		t.Fatal(err)
	}
	_, err := h.OpenAccount(ctx, "one", AccountSettings{AccountID: account("one"), Revision: 4})
	wantCode(t, err, model.Conflicting)

	// The connector's refusal reaches the operator, and the older revision
	// stays open.
	_, err = h.OpenAccount(ctx, "one", AccountSettings{AccountID: account("one"), Revision: 6, Config: []byte(`{"refuse":1}`)})
	wantCode(t, err, model.Invalid)
	if !strings.Contains(err.Error(), "the token is wrong") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("error is %q", err)
	}
	h.works(t, "one")

	must(t, h.CloseAccount(ctx, "one", account("one")))
	_, err = h.ask(ctx, "one", "", "")
	wantCode(t, err, model.Unavailable)
	must(t, h.CloseAccount(ctx, "one", account("one")))
}
