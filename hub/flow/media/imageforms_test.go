package media_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// place is what no picture may carry away.
const place = "GPS 52.52N 13.40E"

// painted is a picture that is not of one colour, wider than high.
func painted() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 8, 4))
	for x := range 8 {
		m.Set(x, 1, color.RGBA{R: uint8(30 * x), G: 200, A: 255})
	}
	return m
}

func encoded(t *testing.T, encode func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func someBMP(t *testing.T) []byte {
	b := encoded(t, func(w io.Writer) error { return bmp.Encode(w, painted()) })
	return append(b, place...)
}

// someTIFF has a place in a tag of its own, behind those of the encoder, and
// says how the camera was held. next is the offset of another page.
func someTIFF(t *testing.T, turned uint16, next uint32) []byte {
	b := encoded(t, func(w io.Writer) error { return tiff.Encode(w, painted(), nil) })
	order := binary.LittleEndian
	dir := order.Uint32(b[4:])
	n := order.Uint16(b[dir:])
	var entries [][]byte
	for i := range uint32(n) {
		entries = append(entries, b[dir+2+12*i:][:12])
	}
	tag := func(id, kind uint16, count, value uint32) []byte {
		e := order.AppendUint16(nil, id)
		e = order.AppendUint16(e, kind)
		return order.AppendUint32(order.AppendUint32(e, count), value)
	}
	at := uint32(len(b))
	b = append(b, place+"\x00"...)
	for len(b)%2 != 0 {
		b = append(b, 0)
	}
	var own [][]byte
	for _, e := range entries {
		if id := order.Uint16(e); id > 0x0112 && (len(own) == 0 || order.Uint16(own[len(own)-1]) < 0x0112) {
			own = append(own, tag(0x0112, 3, 1, uint32(turned)))
		}
		own = append(own, bytes.Clone(e))
	}
	own = append(own, tag(0x9286, 7, uint32(len(place)+1), at))
	order.PutUint32(b[4:], uint32(len(b)))
	b = order.AppendUint16(b, uint16(len(own)))
	for _, e := range own {
		b = append(b, e...)
	}
	return order.AppendUint32(b, next)
}

// Pictures of one pixel: one that has lost detail, one that has not.
const (
	lossyWebP    = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
	losslessWebP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
)

// someWebP puts a picture on a canvas, with a place in its EXIF.
func someWebP(t *testing.T, picture string, flags byte, more ...string) []byte {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("WEBP")
	chunk := func(name, text string) {
		body = append(body, name...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(text)))
		body = append(body, text...)
		if len(text)%2 != 0 {
			body = append(body, 0)
		}
	}
	chunk("VP8X", string([]byte{flags, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
	for _, m := range more {
		chunk(m[:4], m[4:])
	}
	body = append(body, plain[12:]...)
	chunk("EXIF", "MM\x00\x2a\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"+place)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// ofBrand begins like a file of the family that HEIC and AVIF belong to.
func ofBrand(brand string) []byte {
	return append([]byte("\x00\x00\x00\x18ftyp"+brand+"\x00\x00\x00\x00mif1"+brand), place...)
}

func (w *world) read(a store.Attachment) []byte {
	w.t.Helper()
	body, err := w.media.Open(w.t.Context(), acme, a, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	got, err := io.ReadAll(body)
	if err != nil || int64(len(got)) != a.Size {
		w.t.Fatalf("read %d bytes of %d, %v", len(got), a.Size, err)
	}
	return got
}

// TestOtherImagesAreMadeAnew takes images that the hub reads and does not
// write: they become what it writes, under a name that says so, and carry no
// place. By the other policy they stay as they came.
func TestOtherImagesAreMadeAnew(t *testing.T) {
	const exifFlag = 0x08
	for name, test := range map[string]struct {
		body          []byte
		mime, called  string
		width, height int
	}{
		"a.bmp":       {someBMP(t), "image/png", "a.png", 8, 4},
		"b.TIF":       {someTIFF(t, 1, 0), "image/png", "b.png", 8, 4},
		"turned.tiff": {someTIFF(t, 6, 0), "image/png", "turned.png", 4, 8},
		"photo.webp":  {someWebP(t, lossyWebP, exifFlag), "image/jpeg", "photo.jpg", 1, 1},
		"shot.webp":   {someWebP(t, losslessWebP, exifFlag), "image/png", "shot.png", 1, 1},
		"no.name.gif": {someBMP(t), "image/png", "no.name.gif.png", 8, 4},
	} {
		t.Run(name, func(t *testing.T) {
			if !bytes.Contains(test.body, []byte(place)) {
				t.Fatal("there is nothing to lose")
			}
			w := newWorld(t, nil, nil)
			a := w.take(name, test.body)
			got := w.read(a)
			if a.Mime != test.mime || a.Name != test.called || a.Kind != model.Image {
				t.Errorf("it became %q of %s, a %s", a.Name, a.Mime, a.Kind)
			}
			if bytes.Contains(got, []byte(place)) {
				t.Error("the place is still in it")
			}
			size, decode := image.Config{}, png.DecodeConfig
			if a.Mime == "image/jpeg" {
				decode = jpeg.DecodeConfig
			}
			size, err := decode(bytes.NewReader(got))
			if err != nil || size.Width != test.width || size.Height != test.height {
				t.Errorf("the picture is %d x %d, %v", size.Width, size.Height, err)
			}
			w = newWorld(t, nil, func(o *media.Options) { o.PassImages = true })
			if got := w.read(w.take(name, test.body)); !bytes.Equal(got, test.body) {
				t.Error("with pass it does not stay as it came")
			}
		})
	}
}

// TestImagesThatCannotBeMadeAnew are refused with a reason of their own, and
// pass by the other policy.
func TestImagesThatCannotBeMadeAnew(t *testing.T) {
	const animationFlag = 0x02
	frame := "ANMF" + string(make([]byte, 16))
	for name, body := range map[string][]byte{
		"a.heic":     ofBrand("heic"),
		"b.avif":     ofBrand("avif"),
		"c.heif":     ofBrand("mif1"),
		"pages.tiff": someTIFF(t, 1, 8),
		"moves.webp": someWebP(t, lossyWebP, animationFlag, "ANIM"+string(make([]byte, 6)), frame, frame),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newWorld(t, nil, nil).tryTake(name, body)
			if model.CodeOf(err) != model.Invalid || media.ReasonOf(err) != "form" {
				t.Errorf("got %v, want invalid because of its form", err)
			}
			w := newWorld(t, nil, func(o *media.Options) { o.PassImages = true })
			if got := w.read(w.take(name, body)); !bytes.Equal(got, body) {
				t.Error("with pass it does not stay as it came")
			}
		})
	}
}

// TestOtherBombsAreNotUnfolded lets pictures say that they are huge, one of
// them on a small canvas.
func TestOtherBombsAreNotUnfolded(t *testing.T) {
	huge := map[string][]byte{"a.bmp": someBMP(t), "b.tiff": someTIFF(t, 1, 0)}
	binary.LittleEndian.PutUint32(huge["a.bmp"][18:], 60000)
	binary.LittleEndian.PutUint32(huge["a.bmp"][22:], 60000)
	b := huge["b.tiff"]
	dir := binary.LittleEndian.Uint32(b[4:])
	for i := range uint32(binary.LittleEndian.Uint16(b[dir:])) {
		if e := b[dir+2+12*i:]; binary.LittleEndian.Uint16(e) == 256 || binary.LittleEndian.Uint16(e) == 257 {
			binary.LittleEndian.PutUint16(e[2:], 4) // 32 bits
			binary.LittleEndian.PutUint32(e[8:], 60000)
		}
	}
	lossy := someWebP(t, lossyWebP, 0)
	i := bytes.Index(lossy, []byte{0x9d, 0x01, 0x2a})
	binary.LittleEndian.PutUint32(lossy[i+3:], 0x3fff3fff)
	lossless := someWebP(t, losslessWebP, 0)
	i = bytes.Index(lossless, []byte("VP8L"))
	binary.LittleEndian.PutUint32(lossless[i+9:], 0x0fffffff)
	huge["c.webp"], huge["d.webp"] = lossy, lossless
	for name, body := range huge {
		for _, pass := range []bool{false, true} {
			w := newWorld(t, nil, func(o *media.Options) { o.PassImages = pass })
			if _, err := w.tryTake(name, body); model.CodeOf(err) != model.Invalid || media.ReasonOf(err) != "image" {
				t.Errorf("%s, pass %v: %v, want invalid because of the image", name, pass, err)
			}
		}
	}
}

// TestMadeAnewItFits: an image that grows by being made anew is held to the
// account's size as it is then.
func TestMadeAnewItFits(t *testing.T) {
	w := newWorld(t, nil, nil)
	noise := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(i * i * 7919 >> 3)
	}
	coarse := encoded(t, func(to io.Writer) error { return jpeg.Encode(to, noise, &jpeg.Options{Quality: 5}) })
	_, err := w.media.Take(t.Context(), w.client, media.File{
		Name: "a.jpg", Body: bytes.NewReader(coarse), Rules: media.Rules{MaxSize: int64(len(coarse))},
	})
	if !model.Is(err, model.TooLarge) || w.bytesOf() != 0 {
		t.Errorf("%v, and %d bytes are kept", err, w.bytesOf())
	}
}
