package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// maxPixels bounds what an image unfolds to in memory: 160 MB at four
	// bytes each. Cameras of phones make half of it.
	maxPixels = 40_000_000
	// jpegQuality loses nothing that an eye finds.
	jpegQuality = 90
)

var errImage = errors.New("the image does not open, or is too large in pixels")

// measure refuses an image that would unfold to too much, before it does. With
// pass, what the hub cannot measure it lets through: it never unfolds it.
func measure(kind string, b []byte, pass bool) (err error) {
	defer mishap(&err)
	var size image.Config
	frames := 1
	switch kind {
	case "image/jpeg":
		size, err = jpeg.DecodeConfig(bytes.NewReader(b))
	case "image/png":
		size, err = png.DecodeConfig(bytes.NewReader(b))
	case "image/gif":
		size, err = gif.DecodeConfig(bytes.NewReader(b))
		frames = gifFrames(b)
	case "image/webp", "image/bmp", "image/tiff":
		size.Width, size.Height, frames, err = sizeOf(kind, b)
		if pass && err != nil {
			return nil // nobody here decodes it
		}
		if !pass && err == nil && frames > 1 {
			return errForm // pages and animations would be lost
		}
	default:
		if !pass && slices.Contains(sealedForms, kind) {
			return errForm
		}
		return nil
	}
	if err != nil || size.Width <= 0 || size.Height <= 0 || frames <= 0 || size.Width > maxPixels/size.Height/frames {
		return errImage
	}
	return nil
}

// mishap takes a decoder that falls over a file for a file that does not open:
// what comes from outside ends no worker.
func mishap(err *error) {
	if recover() != nil {
		*err = errImage
	}
}

// renew decodes an image and encodes it again, as the type that it returns.
// What is no picture does not survive it: places and cameras in EXIF, comments,
// bytes behind the end. The orientation that EXIF tells is applied first.
func renew(kind string, b []byte) (as string, out []byte, err error) {
	defer mishap(&err)
	var m image.Image
	as = kind
	switch kind {
	case "image/jpeg":
		if m, err = jpeg.Decode(bytes.NewReader(b)); err == nil {
			if o := orientation(b); o > 1 {
				m = turn(m, o)
			}
		}
	case "image/png":
		m, err = png.Decode(bytes.NewReader(b))
	case "image/gif":
		return renewGIF(b)
	case "image/webp", "image/bmp", "image/tiff":
		if m, err = decodeForm(kind, b); err == nil {
			as = "image/png"
			if kind == "image/webp" && webpLossy(b) && opaque(m) {
				as = "image/jpeg" // a photo, which PNG makes many times as large
			}
		}
	default:
		return kind, b, nil
	}
	if err != nil {
		return kind, nil, errImage
	}
	var to bytes.Buffer
	if as == "image/jpeg" {
		err = jpeg.Encode(&to, m, &jpeg.Options{Quality: jpegQuality})
	} else {
		err = png.Encode(&to, m)
	}
	return as, to.Bytes(), model.Wrap(model.Internal, "encode image", err)
}

// opaque tells whether nothing shines through a picture.
func opaque(m image.Image) bool {
	o, ok := m.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

func renewGIF(b []byte) (as string, out []byte, err error) {
	const kind = "image/gif"
	m, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		return kind, nil, errImage
	}
	var to bytes.Buffer
	err = gif.EncodeAll(&to, m)
	return kind, to.Bytes(), model.Wrap(model.Internal, "encode image", err)
}

// gifFrames counts the images of a GIF without unfolding them; 0 when its
// blocks do not add up.
func gifFrames(b []byte) int {
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	if len(b) < 13 {
		return 0
	}
	at, frames := 13+table(b[10]), 0
	blocks := func() bool {
		for at < len(b) {
			n := int(b[at])
			at += n + 1
			if n == 0 {
				return true
			}
		}
		return false
	}
	for at < len(b) {
		switch b[at] {
		case 0x3b:
			return frames
		case 0x21:
			at += 2
		case 0x2c:
			if frames++; at+10 > len(b) {
				return 0
			}
			at += 11 + table(b[at+9])
		default:
			return 0
		}
		if !blocks() {
			return 0
		}
	}
	return 0
}

// orientation reads from a JPEG how the camera was held, as EXIF counts it;
// 1 when it does not say.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != 0xda; {
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		if n < 2 || at+2+n > len(b) {
			return 1
		}
		if body := b[at+4 : at+2+n]; b[at+1] == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return exifOrientation(body[6:])
		}
		at += 2 + n
	}
	return 1
}

func exifOrientation(tiff []byte) int {
	order, entries, n, ok := tiffDirectory(tiff)
	if !ok {
		return 1
	}
	for i := range n {
		entry := entries + 12*i
		if entry+12 > uint64(len(tiff)) {
			return 1
		}
		const tag = 0x0112
		if order.Uint16(tiff[entry:]) == tag {
			if o := int(order.Uint16(tiff[entry+8:])); o >= 1 && o <= 8 {
				return o
			}
		}
	}
	return 1
}

// turn brings a picture into the position that an orientation tells.
func turn(m image.Image, o int) image.Image {
	from := m.Bounds()
	w, h := from.Dx(), from.Dy()
	size := image.Rect(0, 0, w, h)
	if o >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	src, ok := m.(*image.RGBA)
	if !ok || from.Min != (image.Point{}) {
		src = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(src, src.Bounds(), m, from.Min, draw.Src)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			to := [9]image.Point{
				2: {w - 1 - x, y}, 3: {w - 1 - x, h - 1 - y}, 4: {x, h - 1 - y},
				5: {y, x}, 6: {h - 1 - y, x}, 7: {h - 1 - y, w - 1 - x}, 8: {y, w - 1 - x},
			}[o]
			copy(out.Pix[out.PixOffset(to.X, to.Y):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return out
}
