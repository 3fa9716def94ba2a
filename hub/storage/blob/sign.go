package blob

import (
	"context"
	"mime"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// MaxTTL is how long a signed URL can live. It is what AWS allows.
const MaxTTL = 7 * 24 * time.Hour

// As is how a signed URL hands the blob out.
type As struct {
	ContentType string // empty: application/octet-stream
	FileName    string // any text: Disposition makes it safe
}

// Signed is a URL that works for whoever has it, and until when.
type Signed struct {
	URL     string
	Expires time.Time
}

// SignGet returns a URL from which anybody can get the blob for ttl, to the
// second, or until the blob ends, if that is sooner. Traits().Signs says
// whether the driver can; otherwise it is model.Invalid, and the hub hands the
// bytes out itself. A key that is unknown, another client's or past its end is
// model.NotFound.
func (h Handle) SignGet(ctx context.Context, key Key, ttl time.Duration, as As) (Signed, error) {
	const op = "sign url of blob"
	if ttl < time.Second || ttl > MaxTTL {
		return Signed{}, model.Errorf(model.Invalid, op, "a time to live is a second to seven days")
	}
	if !h.store.driver.Traits().Signs {
		return Signed{}, model.Errorf(model.Invalid, op, "this store signs no URLs")
	}
	info, err := h.Head(ctx, key)
	if err != nil {
		return Signed{}, err
	}
	if as.ContentType == "" {
		as.ContentType = "application/octet-stream"
	}
	if _, _, err := mime.ParseMediaType(as.ContentType); err != nil || strings.ContainsFunc(as.ContentType, unicode.IsControl) {
		return Signed{}, model.Errorf(model.Invalid, op, "this is no content type")
	}
	// Signatures know whole seconds: both numbers are cut, so that no URL
	// outlives its time or its blob.
	at := h.store.now().Truncate(time.Second)
	s := driver.Signing{
		At: at, TTL: min(ttl, info.Expires.Sub(at)).Truncate(time.Second),
		Response: driver.Response{ContentType: as.ContentType, ContentDisposition: Disposition(as.FileName)},
	}
	if s.TTL < time.Second {
		return Signed{}, none(op)
	}
	var url string
	err = do(ctx, op, func() (err error) {
		url, err = h.store.driver.Sign(ctx, h.ref(key), s)
		return err
	})
	if err != nil {
		return Signed{}, err
	}
	return Signed{URL: url, Expires: s.At.Add(s.TTL)}, nil
}

// maxName is how many bytes of a file name are kept: file systems take 255.
const maxName = 150

// Disposition is the Content-Disposition header under which a file of that
// name is handed out: always to be saved and never shown, and under a name
// that is one plain file name wherever it is saved.
func Disposition(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": SafeName(name)})
}

// SafeName makes any text one plain file name: no directory, no control or
// direction character, nothing that a shell or a file system reads another
// way, no leading dot, not empty, and not long. The extension stays.
func SafeName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		// Format characters hide the true order of letters: "exe.gpj".
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return -1
		case strings.ContainsRune(`<>:"|?*;%$&`+"`'", r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ". -"), ". ")
	if name == "" {
		return "attachment"
	}
	if len(name) > maxName {
		ext := path.Ext(name)
		if len(ext) > 16 {
			ext = ""
		}
		stem := name[:maxName-len(ext)]
		for !utf8.ValidString(stem) {
			stem = stem[:len(stem)-1]
		}
		name = stem + ext
	}
	return name
}
