package sdktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// story is one .txtar file.
type story struct {
	name, path string
	archive    *txtar.Archive
}

func loadStories(t *testing.T, folder string) []*story {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("there is no story (*.txtar) in %s", folder)
	}
	var stories []*story
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stories = append(stories, &story{strings.TrimSuffix(filepath.Base(path), ".txtar"), path, archive})
	}
	return stories
}

// section returns a section of the story, or nil.
func (s *story) section(name string) []byte {
	for _, file := range s.archive.Files {
		if file.Name == name {
			return file.Data
		}
	}
	return nil
}

// account returns the account the story is about.
func (s *story) account(suite *Suite) string {
	if own := s.section("config.json"); own != nil {
		return string(own)
	}
	return suite.Account
}

// run tells the story and all that is derived from it.
func (s *story) run(t *testing.T, b *bench, rewrite bool) {
	w := &wanted{story: s, rewrite: rewrite}
	switch {
	case s.section("request.http") != nil:
		s.runRequest(t, b, w)
	case s.section("frame.json") != nil:
		s.runFrame(t, b, w)
	case s.section("render.json") != nil:
		s.runRender(t, b, w)
	case s.section("message.json") != nil:
		s.runMessage(t, b, w)
	case s.section("fetch.json") != nil:
		s.runFetch(t, b, w)
	default:
		t.Fatalf("%s has none of request.http, frame.json, render.json, message.json and fetch.json", s.path)
	}
	w.finish(t)
}

// personal returns the words of the story that are somebody's own.
func (s *story) personal() []string {
	var words []string
	for _, name := range []string{"want.events.json", "message.json", "frame.json"} {
		var value any
		if json.Unmarshal(s.section(name), &value) == nil {
			words = gather(words, "", value)
		}
	}
	return words
}

// gather collects what stands under the keys that hold personal data. Short
// words are left out: they would be found everywhere.
func gather(words []string, key string, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			words = gather(words, k, inner)
		}
	case []any:
		for _, inner := range v {
			words = gather(words, key, inner)
		}
	case string:
		if len(v) >= 4 && slices.Contains([]string{"value", "display_name", "text", "caption", "provider_id"}, key) {
			words = append(words, v)
		}
	}
	return words
}

// wanted compares what a story wants with what came, or writes it down.
type wanted struct {
	story   *story
	rewrite bool
	changed bool
}

func (w *wanted) check(t *testing.T, section string, got []byte) {
	t.Helper()
	want := w.story.section(section)
	if bytes.Equal(want, got) {
		return
	}
	if !w.rewrite {
		t.Errorf("%s differs (-want +got); run the test with -update if that is right:\n%s", section, cmp.Diff(string(want), string(got)))
		return
	}
	w.changed = true
	for i := range w.story.archive.Files {
		if w.story.archive.Files[i].Name == section {
			w.story.archive.Files[i].Data = got
			return
		}
	}
	w.story.archive.Files = append(w.story.archive.Files, txtar.File{Name: section, Data: got})
}

// finish writes a changed story back.
func (w *wanted) finish(t *testing.T) {
	t.Helper()
	if !w.changed {
		return
	}
	if err := os.WriteFile(w.story.path, txtar.Format(w.story.archive), 0o644); err != nil {
		t.Error(err)
	}
}

// runFrame tells a frame of a socket.
func (s *story) runFrame(t *testing.T, b *bench, w *wanted) {
	settings := b.open(t, accountID, s.account(b.suite), b.provider.url)
	var told struct {
		Visitor json.RawMessage `json:"visitor"`
		Frame   json.RawMessage `json:"frame"`
	}
	if err := json.Unmarshal(s.section("frame.json"), &told); err != nil {
		t.Fatalf("frame.json: %v", err)
	}
	visitor := into(t, "frame.json", told.Visitor, &connectorv1.Address{})
	frame := func(data []byte) *connectorv1.SocketResult {
		socket := "socket-1"
		resp, err := b.ReceiveSocket(limited(t), connectorv1.ReceiveSocketRequest_builder{Frames: []*connectorv1.SocketFrame{
			connectorv1.SocketFrame_builder{
				Socket: connectorv1.SocketRef_builder{Account: settings.GetAccount(), SocketId: &socket, Visitor: visitor}.Build(),
				Frame:  data,
			}.Build(),
		}}.Build())
		if err != nil {
			t.Fatalf("receive frame: %v", err)
		}
		result := resp.GetResults()[0]
		if result.HasFault() {
			t.Errorf("a frame of %d bytes is a fault: %s", len(data), result.GetFault())
		}
		for _, item := range result.GetItems() {
			if fault := itemFault(item, []string{accountID}); fault != "" {
				t.Errorf("an item would be refused: %s", fault)
			}
		}
		return result
	}
	first := frame(compact(told.Frame))
	if first.HasRefusal() && !first.HasFault() {
		w.check(t, "want.refusal.json", indented(t, jsonOf(t, first.GetRefusal())))
	} else {
		w.check(t, "want.events.json", itemsOf(t, first.GetItems()))
	}
	if again := frame(compact(told.Frame)); !bytes.Equal(itemsOf(t, first.GetItems()), itemsOf(t, again.GetItems())) {
		t.Error("the same frame told something else the second time")
	}
	for name, data := range brokenBodies(compact(told.Frame), 64<<10) {
		if result := frame(data); !result.HasRefusal() && name != "truncated" {
			t.Errorf("a frame that is %s was not refused", name)
		}
	}
}

// compact takes the story's indentation out of JSON, and the quotes off a
// frame that is no JSON.
func compact(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}

// runRender shows things in a browser.
func (s *story) runRender(t *testing.T, b *bench, w *wanted) {
	settings := b.open(t, accountID, s.account(b.suite), b.provider.url)
	var list []json.RawMessage
	if err := json.Unmarshal(s.section("render.json"), &list); err != nil {
		t.Fatalf("render.json: %v", err)
	}
	var items []*connectorv1.RenderItem
	for i, raw := range list {
		items = append(items, into(t, "render.json item "+strconv.Itoa(i), raw, &connectorv1.RenderItem{}))
	}
	render := func() []byte {
		resp, err := b.RenderSocket(limited(t), connectorv1.RenderSocketRequest_builder{Account: settings.GetAccount(), Items: items}.Build())
		if err != nil {
			t.Fatalf("render: %v", err)
		}
		if len(resp.GetFrames()) != len(items) {
			t.Fatalf("%d items became %d frames", len(items), len(resp.GetFrames()))
		}
		var frames []json.RawMessage
		for _, frame := range resp.GetFrames() {
			if !json.Valid(frame) {
				frame = []byte(fmt.Sprintf("%q", frame))
			}
			frames = append(frames, frame)
		}
		return indented(t, frames)
	}
	first := render()
	w.check(t, "want.frames.json", first)
	if !bytes.Equal(first, render()) {
		t.Error("the same items became other frames the second time")
	}
}
