package audit

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// fakeRows keeps acts and fails from the nth on.
type fakeRows struct {
	acts []store.Act
	fail int
}

func (f *fakeRows) Audit(ctx context.Context, act store.Act) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.fail > 0 && len(f.acts)+1 >= f.fail {
		return model.Errorf(model.Unavailable, "write", "the table is away")
	}
	f.acts = append(f.acts, act)
	return nil
}

var somebody = By{Token: "ops", Role: "operator", RequestID: "req_1"}

func outcomes(acts []store.Act) []string {
	out := make([]string, 0, len(acts))
	for _, a := range acts {
		out = append(out, a.Outcome)
	}
	return out
}

func TestAroundRecordsBeginningAndEnd(t *testing.T) {
	refused := model.Errorf(model.Precondition, "restart", "the plugin is disabled")
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"done":    {nil, []string{"begun", "done"}},
		"failed":  {refused, []string{"begun", "precondition"}},
		"foreign": {errors.New("boom"), []string{"begun", "internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeRows{}
			err := (&Log{f}).Around(t.Context(), somebody, PluginRestart, "plugin/echo", func(context.Context) error { return tt.err })
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, outcomes(f.acts)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			want := store.Act{Actor: "ops", Role: "operator", Action: "plugin.restart", Subject: "plugin/echo", Outcome: "begun", RequestID: "req_1"}
			if diff := cmp.Diff(want, f.acts[0]); diff != "" {
				t.Errorf("first row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAroundDoesNothingItCannotRecord(t *testing.T) {
	ran := false
	err := (&Log{&fakeRows{fail: 1}}).Around(t.Context(), somebody, ConfigReload, "config", func(context.Context) error {
		ran = true
		return nil
	})
	if !model.Is(err, model.Unavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
	if ran {
		t.Error("the act was done without its audit row")
	}
}

func TestAroundSaysWhenTheEndIsLost(t *testing.T) {
	err := (&Log{&fakeRows{fail: 2}}).Around(t.Context(), somebody, ConfigReload, "config", func(context.Context) error { return nil })
	if !model.Is(err, model.Unavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
}

func TestAroundRecordsTheEndOfAnActThatWasCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeRows{}
	err := (&Log{f}).Around(ctx, somebody, PluginRestart, "plugin/echo", func(context.Context) error {
		cancel()
		return model.Wrap(model.Unavailable, "restart plugin", context.Canceled)
	})
	if !model.Is(err, model.Unavailable) {
		t.Errorf("error %v, want unavailable", err)
	}
	if diff := cmp.Diff([]string{"begun", "unavailable"}, outcomes(f.acts)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
