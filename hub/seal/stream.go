package seal

import (
	"crypto/rand"
	"io"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"github.com/channelhub/channelhub/hub/model"
)

// Bytes too large for a record are sealed as a stream, in segments: AES-256-GCM
// with keys by HKDF, as Tink has it. What was cut off, changed or put in
// another order does not open.
const (
	streamHash    = "SHA256"
	streamSegment = 64 << 10
)

// StreamKey is the key of one stream. It is kept in a sealed record, and lives
// no longer in memory than the stream.
type StreamKey []byte

// NewStreamKey returns a random key.
func NewStreamKey() StreamKey {
	k := make([]byte, keyBytes)
	_, _ = rand.Read(k) // never fails: crypto/rand ends the process instead
	return k
}

func (k StreamKey) stream(op string) (*subtle.AESGCMHKDF, error) {
	s, err := subtle.NewAESGCMHKDF(k, streamHash, keyBytes, streamSegment, 0)
	return s, model.Wrap(model.Corrupt, op, err)
}

// Seal returns a reader of what plain yields, sealed for the place. An error of
// plain comes through as it is. The reader holds one segment in memory, and is
// closed when it is not read to its end.
func (k StreamKey) Seal(place string, plain io.Reader) (io.ReadCloser, error) {
	s, err := k.stream("seal stream")
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		sealer, err := s.NewEncryptingWriter(w, []byte(place))
		if err == nil {
			_, err = io.Copy(sealer, plain)
		}
		if err == nil {
			err = sealer.Close()
		}
		w.CloseWithError(err) // nil is the end
	}()
	return r, nil
}

// Open returns a reader of what the sealed stream holds. What it yields before
// an error was sealed; that it is all, the end alone says.
func (k StreamKey) Open(place string, sealed io.Reader) (io.Reader, error) {
	s, err := k.stream("open stream")
	if err != nil {
		return nil, err
	}
	r, err := s.NewDecryptingReader(sealed, []byte(place))
	if err != nil {
		return nil, model.Wrap(model.Corrupt, "open stream", err)
	}
	return &opening{r}, nil
}

// opening gives errors of a stream that does not open their code.
type opening struct{ r io.Reader }

func (o *opening) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // the plain value is the contract of io.Reader
		code := model.CodeOf(err)
		if code == model.Internal {
			code = model.Corrupt
		}
		err = model.Wrap(code, "open stream", err)
	}
	return n, err
}
