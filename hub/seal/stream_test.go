package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/channelhub/channelhub/hub/model"
)

func sealStream(t *testing.T, k StreamKey, place string, plain []byte) []byte {
	t.Helper()
	r, err := k.Seal(place, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func openStream(k StreamKey, place string, sealed []byte) ([]byte, error) {
	r, err := k.Open(place, bytes.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestStreams(t *testing.T) {
	k := NewStreamKey()
	for _, size := range []int{0, 1, streamSegment - 60, streamSegment, 5*streamSegment + 7} {
		plain := bytes.Repeat([]byte("words "), size/6+1)[:size]
		sealed := sealStream(t, k, "here", plain)
		if bytes.Contains(sealed, []byte("words words")) {
			t.Errorf("%d bytes are not sealed", size)
		}
		if got, err := openStream(k, "here", sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

func TestStreamsOpenNowhereElse(t *testing.T) {
	k := NewStreamKey()
	plain := bytes.Repeat([]byte("x"), 3*streamSegment)
	sealed := sealStream(t, k, "here", plain)
	changed := bytes.Clone(sealed)
	changed[len(changed)/2] ^= 1
	for name, tc := range map[string]struct {
		key    StreamKey
		place  string
		sealed []byte
	}{
		"another place": {k, "there", sealed},
		"another key":   {NewStreamKey(), "here", sealed},
		"changed":       {k, "here", changed},
		"cut off":       {k, "here", sealed[:2*streamSegment]},
		"empty":         {k, "here", nil},
	} {
		if got, err := openStream(tc.key, tc.place, tc.sealed); !model.Is(err, model.Corrupt) || bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v; want corrupt", name, len(got), err)
		}
	}
}

func TestStreamsPassOnErrors(t *testing.T) {
	broken := errors.New("broken")
	r, err := NewStreamKey().Seal("here", iotest.ErrReader(broken))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's own error", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
