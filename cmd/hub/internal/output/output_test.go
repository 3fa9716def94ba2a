package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func table(rows ...[]any) func() (*Grid, error) {
	return func() (*Grid, error) {
		g := NewGrid("ID", "STATE", "DETAIL")
		for _, r := range rows {
			g.Row(r...)
		}
		return g, nil
	}
}

func TestPrint(t *testing.T) {
	list := View{JSON: json.RawMessage(`[{"id":"a","n":1}]`), Table: table([]any{"a", "running", "fine and well"}, []any{"änger", "off", ""})}
	act := View{JSON: json.RawMessage(`{"id":"a"}`), Said: "it is \x1b[31mdone", Line: "msg_1"}
	for name, tt := range map[string]struct {
		view      View
		format    Format
		style     Style
		out, talk string
	}{
		"table":          {list, Table, Style{}, "ID     STATE    DETAIL\na      running  fine and well\nänger  off      -\n", ""},
		"bold headings":  {list, Table, Style{Bold: true}, "\x1b[1mID\x1b[0m     \x1b[1mSTATE\x1b[0m    \x1b[1mDETAIL\x1b[0m\na      running  fine and well\nänger  off      -\n", ""},
		"JSON":           {list, JSON, Style{Bold: true}, "[\n  {\n    \"id\": \"a\",\n    \"n\": 1\n  }\n]\n", ""},
		"YAML":           {list, YAML, Style{}, "- id: a\n  \"n\": 1\n", ""},
		"act":            {act, Table, Style{}, "msg_1\n", "it is  [31mdone\n"},
		"act as JSON":    {act, JSON, Style{}, "{\n  \"id\": \"a\"\n}\n", ""},
		"nothing to say": {View{JSON: json.RawMessage(`{}`)}, Table, Style{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out, talk bytes.Buffer
			if err := tt.view.Print(&out, &talk, tt.format, tt.style); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([2]string{tt.out, tt.talk}, [2]string{out.String(), talk.String()}); diff != "" {
				t.Errorf("data and talk (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPairsLeaveOutWhatIsEmpty(t *testing.T) {
	g := NewGrid()
	g.Pair("Plugin", "echo")
	g.Pair("Fault", "")
	g.Pair("Restarts", 0)
	if diff := cmp.Diff("Plugin    echo\nRestarts  0\n", g.text(Style{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrintFails(t *testing.T) {
	broken := errors.New("broken")
	views := []struct {
		view   View
		format Format
	}{
		{View{JSON: json.RawMessage(`{`)}, JSON},
		{View{JSON: json.RawMessage(`{`)}, YAML},
		{View{Table: func() (*Grid, error) { return nil, broken }}, Table},
	}
	for _, v := range views {
		if err := v.view.Print(&bytes.Buffer{}, &bytes.Buffer{}, v.format, Style{}); err == nil {
			t.Errorf("%s of %s succeeded", v.format, v.view.JSON)
		}
	}
}

func TestFormatTakesThree(t *testing.T) {
	var f Format
	for _, s := range formats {
		if err := f.Set(s); err != nil || f.String() != s {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := f.Set("xml"); err == nil || f != YAML {
		t.Errorf("xml: %v, and the format is %s", err, f)
	}
}

// Only a terminal gets bold headings, and not when the environment says no.
func TestStyleFor(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.Open(os.DevNull) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for name, tt := range map[string]struct {
		got, want Style
	}{
		"buffer":   {StyleFor(&bytes.Buffer{}, env()), Style{}},
		"file":     {StyleFor(file, env()), Style{}},
		"device":   {StyleFor(device, env()), Style{Bold: true}},
		"NO_COLOR": {StyleFor(device, env("NO_COLOR", "1")), Style{}},
		"dumb":     {StyleFor(device, env("TERM", "dumb")), Style{}},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, tt.got, tt.want)
		}
	}
}
