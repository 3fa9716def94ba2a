package seal

import (
	"bytes"
	"compress/flate"
	"strings"
	"sync"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
)

func TestPackNeverGrowsARecord(t *testing.T) {
	for _, plain := range []string{"", "a", strings.Repeat("ab", packAbove), strings.Repeat("\x00", MaxRecord)} {
		packed := pack([]byte(plain))
		if len(packed) > len(plain)+1 {
			t.Errorf("%d bytes are packed into %d", len(plain), len(packed))
		}
		got, err := unpack(packed)
		if err != nil || string(got) != plain {
			t.Errorf("%d bytes came back as %d, %v", len(plain), len(got), err)
		}
	}
}

// The deflaters are shared: what one packs must not show in another's record.
func TestPackersDoNotMeet(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte('a' + i)}, 2*packAbove+i)
			for range 50 {
				if got, err := unpack(pack(plain)); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("packer %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestUnpackBoundsWhatItMakes(t *testing.T) {
	bomb := func(n int) []byte {
		var buf bytes.Buffer
		buf.WriteByte(packedFlate)
		w, err := flate.NewWriter(&buf, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	if got, err := unpack(bomb(MaxRecord)); err != nil || len(got) != MaxRecord {
		t.Errorf("the largest record: %d bytes, %v", len(got), err)
	}
	for _, n := range []int{MaxRecord + 1, 64 << 20} {
		if got, err := unpack(bomb(n)); !model.Is(err, model.Corrupt) || got != nil {
			t.Errorf("%d bytes: %d came out, %v, want corrupt", n, len(got), err)
		}
	}
}

func TestUnpackRefusesWhatPackDoesNotMake(t *testing.T) {
	half := pack(bytes.Repeat([]byte("hello "), 1000))
	for name, in := range map[string][]byte{
		"nothing": nil, "an unknown form": {2, 'a'}, "no stream": {packedFlate}, "rubbish": {packedFlate, 0xff, 0xff}, "half a stream": half[:len(half)/2],
	} {
		if _, err := unpack(in); !model.Is(err, model.Corrupt) {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{packedPlain, 'a'})
	f.Add(pack(bytes.Repeat([]byte("hello "), 1000)))
	f.Add([]byte{packedFlate, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, err := unpack(in)
		if err != nil {
			if !model.Is(err, model.Corrupt) {
				t.Errorf("error %v has another code than corrupt", err)
			}
			return
		}
		if len(plain) > MaxRecord {
			return // plain bytes are bounded by the row that held them
		}
		again, err := unpack(pack(plain))
		if err != nil || !bytes.Equal(again, plain) {
			t.Errorf("%d bytes came back as %d, %v", len(plain), len(again), err)
		}
	})
}

// A row within one billed KiB is not compressed; one byte more is, and so is a
// record of that size whose row is not known.
func TestPackLeavesARowWithinItsKiB(t *testing.T) {
	at := Place{PK: "c/acme/v/conversation", SK: "e/event", Beside: 100}
	room := billed - sealedOverhead - len(at.PK) - len(at.SK) - at.Beside
	plain := bytes.Repeat([]byte("a"), room+1)
	if got := at.pack(plain[:room]); got[0] != packedPlain {
		t.Errorf("a record that fits is packed as %d", got[0])
	}
	if got := at.pack(plain); got[0] != packedFlate {
		t.Errorf("a record that does not fit is packed as %d", got[0])
	}
	at.Beside = 0
	if got := at.pack(plain[:room]); got[0] != packedFlate {
		t.Errorf("a record of an unknown row is packed as %d", got[0])
	}
}
