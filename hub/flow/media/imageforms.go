package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// What is in here knows the images that the hub can read and does not write:
// they are made anew as PNG or JPEG. What it cannot even read is not taken,
// unless images pass as they came.

// errForm is an image that the hub cannot make anew.
var errForm = errors.New("the image cannot be made anew")

// sealedForms are types that nothing here decodes.
var sealedForms = []string{"image/heic", "image/heif", "image/avif"}

// renewedAs returns the type that an image becomes.
func renewedAs(t fileType, kind string) fileType {
	if i := slices.IndexFunc(fileTypes, func(f fileType) bool { return f.mime == kind }); i >= 0 {
		return fileTypes[i]
	}
	return t
}

// renamed takes off the extension of what an image was, for nameFor to set the
// new one.
func renamed(name string, was fileType) string {
	i := strings.LastIndexByte(name, '.')
	if i > 0 && slices.Contains(was.exts, strings.ToLower(name[i+1:])) {
		return name[:i]
	}
	return name
}

// sizeOf reads the dimensions of the largest picture of these forms, and how
// many pictures there are. Nothing is unfolded.
func sizeOf(kind string, b []byte) (width, height, pictures int, err error) {
	var c image.Config
	pictures = 1
	switch kind {
	case "image/webp":
		return webpSize(b)
	case "image/bmp":
		c, err = bmp.DecodeConfig(bytes.NewReader(b))
	case "image/tiff":
		c, err = tiff.DecodeConfig(bytes.NewReader(b))
		pictures = tiffPages(b)
	}
	return c.Width, c.Height, pictures, err
}

// decodeForm decodes one picture. Who calls it has measured it.
func decodeForm(kind string, b []byte) (m image.Image, err error) {
	switch kind {
	case "image/webp":
		m, err = webp.Decode(bytes.NewReader(b))
		if o := exifOrientation(webpExif(b)); err == nil && o > 1 {
			m = turn(m, o)
		}
	case "image/bmp":
		m, err = bmp.Decode(bytes.NewReader(b))
	case "image/tiff":
		m, err = tiff.Decode(bytes.NewReader(b))
		if o := exifOrientation(b); err == nil && o > 1 {
			m = turn(m, o)
		}
	}
	return m, err
}

// chunks calls each with the chunks of a WebP, in order.
func chunks(b []byte, each func(name string, body []byte)) {
	for at := 12; at+8 <= len(b); {
		n := uint64(binary.LittleEndian.Uint32(b[at+4:]))
		end := uint64(at) + 8 + n
		if end > uint64(len(b)) {
			end = uint64(len(b))
		}
		each(string(b[at:at+4]), b[at+8:end])
		at = int(end + n%2)
	}
}

// webpSize takes the largest of what the canvas and the pictures say of
// themselves: a picture unfolds to what it says, whatever its canvas does.
func webpSize(b []byte) (width, height, pictures int, err error) {
	grow := func(w, h int) { width, height = max(width, w), max(height, h) }
	chunks(b, func(name string, body []byte) {
		switch {
		case name == "VP8X" && len(body) >= 10:
			grow(1+(int(body[4])|int(body[5])<<8|int(body[6])<<16), 1+(int(body[7])|int(body[8])<<8|int(body[9])<<16))
		case name == "VP8 " && len(body) >= 10:
			pictures++
			grow(int(binary.LittleEndian.Uint16(body[6:])&0x3fff), int(binary.LittleEndian.Uint16(body[8:])&0x3fff))
		case name == "VP8L" && len(body) >= 5:
			pictures++
			bits := binary.LittleEndian.Uint32(body[1:])
			grow(1+int(bits&0x3fff), 1+int(bits>>14&0x3fff))
		case name == "ANMF":
			pictures++
		}
	})
	if pictures == 0 {
		return 0, 0, 0, errImage
	}
	return width, height, pictures, nil
}

func webpLossy(b []byte) (lossy bool) {
	chunks(b, func(name string, _ []byte) { lossy = lossy || name == "VP8 " })
	return lossy
}

// webpExif is what cameras write, from the head of its TIFF on; nothing when
// there is none.
func webpExif(b []byte) (exif []byte) {
	chunks(b, func(name string, body []byte) {
		if name == "EXIF" && exif == nil {
			exif = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
	})
	return exif
}

// tiffPages is 1, or 2 when a page follows the first. Of several pages the
// decoder sees the first.
func tiffPages(b []byte) int {
	order, entries, n, ok := tiffDirectory(b)
	if !ok {
		return 1
	}
	next := entries + 12*n
	if next+4 > uint64(len(b)) || order.Uint32(b[next:]) == 0 {
		return 1
	}
	return 2
}

// tiffDirectory finds the first directory of a TIFF, which EXIF is as well: how
// numbers are written, where its entries of 12 bytes begin, and how many it
// claims to have.
func tiffDirectory(b []byte) (order binary.ByteOrder, entries, n uint64, ok bool) {
	if len(b) < 8 {
		return nil, 0, 0, false
	}
	order = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	dir := uint64(order.Uint32(b[4:]))
	if dir+2 > uint64(len(b)) {
		return nil, 0, 0, false
	}
	return order, dir + 2, uint64(order.Uint16(b[dir:])), true
}
