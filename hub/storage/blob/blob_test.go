package blob_test

import (
	"bytes"
	"context"
	"io"
	"mime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
	"github.com/channelhub/channelhub/hub/storage/blob/fileblob"
)

// shaky is a real driver whose steps fail as told: before they were done, or
// after, as when an answer is lost.
type shaky struct {
	driver.Driver
	before, after map[string][]error
	calls         map[string]int
}

func newShaky(t *testing.T) *shaky {
	t.Helper()
	files, err := fileblob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &shaky{Driver: files, before: map[string][]error{}, after: map[string][]error{}, calls: map[string]int{}}
}

func next(errs map[string][]error, step string) error {
	if len(errs[step]) == 0 {
		return nil
	}
	err := errs[step][0]
	errs[step] = errs[step][1:]
	return err
}

func (s *shaky) do(step string, call func() error) error {
	s.calls[step]++
	if err := next(s.before, step); err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return next(s.after, step)
}

func (s *shaky) Put(ctx context.Context, ref driver.Ref, meta driver.Meta, body []byte) error {
	return s.do("put", func() error { return s.Driver.Put(ctx, ref, meta, body) })
}

func (s *shaky) Begin(ctx context.Context, ref driver.Ref, meta driver.Meta) (up driver.Upload, err error) {
	err = s.do("begin", func() error {
		u, err := s.Driver.Begin(ctx, ref, meta)
		up = shakyUpload{u, s}
		return err
	})
	return up, err
}

type shakyUpload struct {
	driver.Upload
	s *shaky
}

func (u shakyUpload) Part(ctx context.Context, n int, p []byte) error {
	return u.s.do("part", func() error { return u.Upload.Part(ctx, n, p) })
}

func (u shakyUpload) Commit(ctx context.Context) error {
	return u.s.do("commit", func() error { return u.Upload.Commit(ctx) })
}

func (u shakyUpload) Abort(ctx context.Context) error {
	return u.s.do("abort", func() error { return u.Upload.Abort(ctx) })
}

func (s *shaky) Head(ctx context.Context, ref driver.Ref) (info driver.Info, err error) {
	err = s.do("head", func() error {
		info, err = s.Driver.Head(ctx, ref)
		return err
	})
	return info, err
}

func (s *shaky) Open(ctx context.Context, ref driver.Ref, r driver.Range) (body io.ReadCloser, info driver.Info, err error) {
	err = s.do("open", func() error {
		body, info, err = s.Driver.Open(ctx, ref, r)
		return err
	})
	return body, info, err
}

func (s *shaky) Delete(ctx context.Context, ref driver.Ref) error {
	return s.do("delete", func() error { return s.Driver.Delete(ctx, ref) })
}

func (s *shaky) Abandon(ctx context.Context, ref driver.Ref) error {
	return s.do("abandon", func() error { return s.Driver.Abandon(ctx, ref) })
}

func coded(codes ...model.Code) (errs []error) {
	for _, c := range codes {
		errs = append(errs, model.Errorf(c, "test", "as told"))
	}
	return errs
}

var large = bytes.Repeat([]byte("0123456789abcdef"), blob.PartBytes/16+1)

func put(ctx context.Context, h blob.Handle, key blob.Key, content []byte) error {
	_, err := h.Put(ctx, key, time.Now().Add(time.Hour), bytes.NewReader(content))
	return err
}

func TestEveryStepIsRetried(t *testing.T) {
	for _, step := range []string{"put", "begin", "part", "commit", "head", "open", "delete", "abandon"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShaky(t)
				s.before[step] = coded(model.Unavailable, model.Throttled)
				if step != "begin" && step != "open" { // what they return would be lost with the answer
					s.after[step] = coded(model.Unavailable, model.Unavailable)
				}
				wantCalls := 3 + len(s.after[step])
				if step == "put" || step == "commit" {
					wantCalls = 4 // the second repeat finds that the first was done
				}
				h := blob.New(s, nil).For("acme")
				key, content := blob.NewKey(), large
				if step == "put" {
					content = []byte("small")
				}
				if err := put(t.Context(), h, key, content); err != nil {
					t.Fatalf("put: %v", err)
				}
				if _, err := h.Head(t.Context(), key); err != nil {
					t.Fatalf("head: %v", err)
				}
				body, _, err := h.Open(t.Context(), key, blob.Range{})
				if err != nil {
					t.Fatalf("open: %v", err)
				}
				got, err := io.ReadAll(body)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("read: %d bytes, %v; want %d", len(got), err, len(content))
				}
				if err := body.Close(); err != nil {
					t.Error(err)
				}
				if err := h.Discard(t.Context(), key); err != nil {
					t.Fatalf("discard: %v", err)
				}
				if step == "part" {
					wantCalls++ // there are two parts
				}
				if step == "head" && s.calls[step] < wantCalls || step != "head" && s.calls[step] != wantCalls {
					t.Errorf("%d calls, want %d", s.calls[step], wantCalls)
				}
			})
		})
	}
}

func TestOtherCodesAreNotRetried(t *testing.T) {
	for _, code := range []model.Code{model.Denied, model.Corrupt, model.Invalid, model.Internal, model.Conflicting, model.Precondition} {
		for step, content := range map[string][]byte{"put": nil, "begin": large, "part": large, "commit": large} {
			s := newShaky(t)
			s.before[step] = coded(code)
			h := blob.New(s, nil).For("acme")
			key := blob.NewKey()
			if err := put(t.Context(), h, key, content); !model.Is(err, code) || s.calls[step] != 1 {
				t.Errorf("%s: got %v after %d calls, want %s after one", step, err, s.calls[step], code)
			}
			if want := map[string]int{"part": 1, "commit": 1}[step]; s.calls["abort"] != want {
				t.Errorf("%s: %d aborts, want %d", step, s.calls["abort"], want)
			}
			if _, err := h.Head(t.Context(), key); !model.Is(err, model.NotFound) {
				t.Errorf("%s: a put that failed left a blob: %v", step, err)
			}
		}
	}
}

// TestRepeatMeetsAnother loses the answer of a put that did not take place, and
// lets another take the key meanwhile: its blob is not ours.
func TestRepeatMeetsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShaky(t)
		h := blob.New(s, nil).For("acme")
		for step, content := range map[string][]byte{"put": []byte("mine"), "commit": large} {
			key := blob.NewKey()
			if err := put(t.Context(), blob.New(s.Driver, nil).For("acme"), key, []byte("another's")); err != nil {
				t.Fatal(err)
			}
			s.before[step] = coded(model.Unavailable)
			if err := put(t.Context(), h, key, content); !model.Is(err, model.Precondition) {
				t.Errorf("%s: got %v, want precondition", step, err)
			}
		}
	})
}

func TestDeadlineEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShaky(t)
		for range 1000 {
			s.before["part"] = append(s.before["part"], coded(model.Unavailable)...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := put(ctx, blob.New(s, nil).For("acme"), blob.NewKey(), large)
		if !model.Is(err, model.Unavailable) || time.Since(began) > time.Second || s.calls["abort"] != 1 {
			t.Errorf("got %v after %s and %d aborts, want unavailable within 1s and one abort", err, time.Since(began), s.calls["abort"])
		}
	})
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "attachment",
		"...":                             "attachment",
		"a.pdf":                           "a.pdf",
		"../../etc/passwd":                "passwd",
		`C:\Users\ada\report.docx`:        "report.docx",
		".bashrc":                         "bashrc",
		"a\r\nSet-Cookie: x":              "aSet-Cookie_ x",
		"photo\u202egpj.exe":              "photogpj.exe",
		"grüße aus köln.png":              "grüße aus köln.png",
		"a\"b'c;d.txt":                    "a_b_c_d.txt",
		"-rf":                             "rf",
		"bad\xff.txt":                     "bad_.txt",
		strings.Repeat("ä", 200) + ".jpg": strings.Repeat("ä", 73) + ".jpg",
	} {
		if got := blob.SafeName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		kind, params, err := mime.ParseMediaType(blob.Disposition(in))
		if err != nil || kind != "attachment" || params["filename"] != want {
			t.Errorf("%q: disposition %q, %v", in, blob.Disposition(in), err)
		}
		if strings.ContainsAny(blob.Disposition(in), "\r\n") {
			t.Errorf("%q: the header has a second line", in)
		}
	}
}
