package stderrsink

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
	"github.com/channelhub/channelhub/hub/storage/logsink/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(*testing.T) drivertest.Harness {
		out := &bytes.Buffer{}
		return drivertest.Harness{Driver: New(out), Lines: func(t *testing.T) []string {
			if out.Len() == 0 {
				return nil
			}
			text, ended := strings.CutSuffix(out.String(), "\n")
			if !ended {
				t.Error("the last line has no end")
			}
			return strings.Split(text, "\n")
		}}
	})
}

type countingWriter struct {
	writes int
	err    error
}

func (w *countingWriter) Write(p []byte) (int, error) { w.writes++; return len(p), w.err }

func TestOneWriteForABatch(t *testing.T) {
	w := &countingWriter{}
	if err := New(w).Write(t.Context(), []driver.Record{{Line: []byte("{}")}, {Line: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	if w.writes != 1 {
		t.Errorf("%d writes, want 1", w.writes)
	}
}

func TestClosedPipeIsFinal(t *testing.T) {
	broken := errors.New("broken pipe")
	err := New(&countingWriter{err: broken}).Write(t.Context(), []driver.Record{{Line: []byte("{}")}})
	if !errors.Is(err, broken) || model.CodeOf(err).Temporary() {
		t.Errorf("got %v, want the cause and a code that is not retried", err)
	}
}
