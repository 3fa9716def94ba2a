package sdktest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// attachmentSection begins the names of the sections that hold the bytes of a
// delivery's files.
const attachmentSection = "attachment/"

// giveFiles puts the story's files where the connector finds those of the
// message.
func (s *story) giveFiles(t *testing.T, b *bench) {
	t.Helper()
	described := map[string]*connectorv1.Attachment{}
	for _, a := range s.delivery(t).GetMessage().GetAttachments() {
		described[a.GetId()] = a
	}
	for _, section := range s.archive.Files {
		id, ok := strings.CutPrefix(section.Name, attachmentSection)
		if !ok {
			continue
		}
		if described[id] == nil {
			t.Fatalf("%s: the message has no such attachment", section.Name)
		}
		b.hub.give(accountID, &file{described[id], section.Data})
	}
}

// fetched is what became of a fetch.
type fetched struct {
	Described json.RawMessage `json:"described,omitempty"`
	Size      int             `json:"size,omitempty"`
	SHA256    string          `json:"sha256,omitempty"`
	Fault     string          `json:"fault,omitempty"` // the code
}

// runFetch has the connector fetch a file that an event announced.
func (s *story) runFetch(t *testing.T, b *bench, w *wanted) {
	b.open(t, accountID, s.account(b.suite), b.provider.url)
	fetch := func(limit int64, steps ...step) (fetched, error) {
		t.Helper()
		b.provider.script(steps...)
		request := into(t, "fetch.json", s.section("fetch.json"), &connectorv1.FetchAttachmentRequest{})
		request.SetAccount(ref(accountID))
		if limit > 0 {
			request.SetMaxSize(limit)
		}
		return b.fetch(t, request)
	}
	first, err := fetch(0, s.responses(t)...)
	if err != nil {
		first = fetched{Fault: code(err).String()}
	}
	for i, request := range b.provider.requests() {
		w.check(t, fmt.Sprintf("provider/%d.request.http", i+1), []byte(request.text()))
	}
	w.check(t, "want.file.json", indented(t, first))
	if err != nil {
		return
	}
	// The file again, in the ways that go wrong.
	if first.Size > 1 {
		if _, err := fetch(int64(first.Size-1), s.responses(t)...); code(err) != codes.OutOfRange {
			t.Errorf("a file that is larger than the hub takes gives %v", err)
		}
	}
	for name, step := range map[string]step{
		"that is gone": answering(http.StatusNotFound), "behind a fault": answering(http.StatusInternalServerError), "that breaks off": breakingOff,
	} {
		if got, err := fetch(0, step); err == nil {
			t.Errorf("a file %s is fetched as one of %d bytes", name, got.Size)
		}
	}
}

// fetch reads a file to its end.
func (b *bench) fetch(t *testing.T, request *connectorv1.FetchAttachmentRequest) (fetched, error) {
	t.Helper()
	stream, err := b.FetchAttachment(limited(t), request)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	var out fetched
	sum := sha256.New()
	for {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			out.SHA256 = hex.EncodeToString(sum.Sum(nil))
			return out, nil
		case err != nil:
			return out, err
		case part.HasDescribed():
			out.Described = jsonOf(t, part.GetDescribed())
		default:
			out.Size += len(part.GetChunk())
			_, _ = sum.Write(part.GetChunk())
		}
	}
}
