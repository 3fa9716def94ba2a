package media

import (
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob"
)

// sniffBytes is how much of a file the detectors look at: as much as
// mimetype reads by default. The other reads 512 bytes of it.
const sniffBytes = 3072

// fileType is a type of file that the hub takes. What is not in the table is
// refused, whatever an account allows: pages, vector images, scripts and
// programs run when they are opened.
type fileType struct {
	mime string
	kind model.AttachmentKind
	// exts are the extensions that belong to it, the usual one first.
	exts []string
	// std is what the second detector may say of it: its table is smaller, and
	// it knows some by other names. "" stands for its own name of the type.
	std []string
}

const (
	unknownType = "application/octet-stream"
	plainText   = "text/plain"
	zipType     = "application/zip"
)

var fileTypes = []fileType{
	{"image/jpeg", model.Image, []string{"jpg", "jpeg", "jpe", "jfif"}, []string{""}},
	{"image/png", model.Image, []string{"png"}, []string{""}},
	{"image/gif", model.Image, []string{"gif"}, []string{""}},
	{"image/webp", model.Image, []string{"webp"}, []string{""}},
	{"image/bmp", model.Image, []string{"bmp"}, []string{""}},
	{"image/tiff", model.Image, []string{"tiff", "tif"}, []string{unknownType}},
	{"image/heic", model.Image, []string{"heic"}, []string{unknownType, "video/mp4"}},
	{"image/heif", model.Image, []string{"heif"}, []string{unknownType, "video/mp4"}},
	{"image/avif", model.Image, []string{"avif"}, []string{unknownType, "video/mp4"}},
	{"audio/mpeg", model.Audio, []string{"mp3"}, []string{"", unknownType}},
	{"audio/ogg", model.Audio, []string{"ogg", "oga", "opus"}, []string{"application/ogg"}},
	{"audio/wav", model.Audio, []string{"wav"}, []string{"audio/wave"}},
	{"audio/flac", model.Audio, []string{"flac"}, []string{unknownType}},
	{"audio/aac", model.Audio, []string{"aac"}, []string{unknownType}},
	{"audio/amr", model.Audio, []string{"amr"}, []string{unknownType, plainText}},
	{"audio/mp4", model.Audio, []string{"m4a", "mp4"}, []string{unknownType, "video/mp4"}},
	{"audio/x-m4a", model.Audio, []string{"m4a"}, []string{unknownType, "video/mp4"}},
	{"video/mp4", model.Video, []string{"mp4", "m4v"}, []string{"", unknownType}},
	{"video/quicktime", model.Video, []string{"mov", "qt"}, []string{unknownType, "video/mp4"}},
	{"video/3gpp", model.Video, []string{"3gp"}, []string{unknownType, "video/mp4"}},
	{"video/3gpp2", model.Video, []string{"3g2"}, []string{unknownType, "video/mp4"}},
	{"video/webm", model.Video, []string{"webm"}, []string{""}},
	{"video/ogg", model.Video, []string{"ogv"}, []string{"application/ogg"}},
	{"application/pdf", model.File, []string{"pdf"}, []string{""}},
	{plainText, model.File, []string{"txt", "text", "log", "md"}, []string{"", unknownType}},
	{"text/csv", model.File, []string{"csv"}, []string{plainText}},
	{"text/tab-separated-values", model.File, []string{"tsv"}, []string{plainText}},
	{"text/vcard", model.File, []string{"vcf"}, []string{plainText}},
	{"text/calendar", model.File, []string{"ics"}, []string{plainText}},
	{"text/rtf", model.File, []string{"rtf"}, []string{plainText}},
	{"application/json", model.File, []string{"json"}, []string{plainText}},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", model.File, []string{"docx"}, []string{zipType}},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", model.File, []string{"xlsx"}, []string{zipType}},
	{"application/vnd.openxmlformats-officedocument.presentationml.presentation", model.File, []string{"pptx"}, []string{zipType}},
	{"application/vnd.oasis.opendocument.text", model.File, []string{"odt"}, []string{zipType}},
	{"application/vnd.oasis.opendocument.spreadsheet", model.File, []string{"ods"}, []string{zipType}},
	{"application/vnd.oasis.opendocument.presentation", model.File, []string{"odp"}, []string{zipType}},
	{"application/msword", model.File, []string{"doc"}, []string{unknownType}},
	{"application/vnd.ms-excel", model.File, []string{"xls"}, []string{unknownType}},
	{"application/vnd.ms-powerpoint", model.File, []string{"ppt"}, []string{unknownType}},
}

// defaultAllow is what an account takes that does not say otherwise.
var defaultAllow = []string{"image/*", "audio/*", "video/*", "text/*", "application/*"}

// Why a file is refused, as the state's reason and in problems.
const (
	reasonEmpty    = "empty"    // no byte at all
	reasonType     = "type"     // not a type that the hub takes, or the detectors differ
	reasonAllow    = "allow"    // a type that the account does not take
	reasonSize     = "size"     // larger than allowed
	reasonImage    = "image"    // an image that does not open, or is too large in pixels
	reasonForm     = "form"     // an image that cannot be made anew, which media.images demands
	reasonInfected = "infected" // the scanner found something
	reasonChannel  = "channel"  // the channel has no such file
)

// sniff says what a file is by its first bytes. Two detectors have to agree:
// what one takes for a picture and another for a page is neither.
func sniff(head []byte) (fileType, bool) {
	first := base(mimetype.Detect(head).String())
	second := base(http.DetectContentType(head))
	i := slices.IndexFunc(fileTypes, func(t fileType) bool { return t.mime == first })
	if i < 0 {
		return fileType{}, false
	}
	t := fileTypes[i]
	for _, std := range t.std {
		if second == std || std == "" && second == t.mime {
			return t, true
		}
	}
	return fileType{}, false
}

func base(kind string) string {
	t, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return unknownType
	}
	return t
}

// Allows reports whether a type is among the patterns, such as image/*. No
// pattern takes every type that the hub takes.
func Allows(patterns []string, kind string) bool {
	if len(patterns) == 0 {
		patterns = defaultAllow
	}
	family, _, _ := strings.Cut(kind, "/")
	return slices.ContainsFunc(patterns, func(p string) bool {
		p = strings.ToLower(p)
		return p == kind || p == family+"/*" || p == "*/*"
	})
}

// nameFor makes a safe file name with an extension that says what the file is:
// "a.pdf.exe" that is a picture becomes "a.pdf.exe.jpg".
func nameFor(name string, t fileType) string {
	if name == "" {
		name = string(t.kind)
	}
	name = blob.SafeName(name)
	if slices.Contains(t.exts, strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))) {
		return name
	}
	// Cut before the extension is set, not behind it.
	return blob.SafeName(name + "." + t.exts[0])
}

// kindFor keeps a finer word of the channel's where it fits what the file is.
func kindFor(said model.AttachmentKind, t fileType) model.AttachmentKind {
	if said == model.Voice && t.kind == model.Audio || said == model.Sticker && t.kind == model.Image {
		return said
	}
	return t.kind
}
