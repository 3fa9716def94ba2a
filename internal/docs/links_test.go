package docs

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestLinksLeadSomewhere(t *testing.T) {
	root := filepath.Join("..", "..")
	documents := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "data", "node_modules", "testdata"}, d.Name()) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		documents++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, link := range links(string(text)) {
			if why := broken(root, path, link); why != "" {
				t.Errorf("%s: link %q: %s", path, link, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if documents == 0 {
		t.Error("found no document")
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inline = regexp.MustCompile("`[^`\n]*`")
	// [text](target "title"), and [name]: target at the start of a line.
	link       = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	definition = regexp.MustCompile(`(?m)^ {0,3}\[[^\]^]+\]:\s*<?([^\s>]+)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*$`)
)

// links returns the targets of a document's links, code left out.
func links(text string) []string {
	text = inline.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	var targets []string
	for _, re := range []*regexp.Regexp{link, definition} {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// broken says what is wrong with a link of the document at path, or nothing.
// Links to other hosts are theirs to keep.
func broken(root, path, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "" || u.Host != "":
		return ""
	}
	file := path
	if u.Path != "" {
		file = filepath.Join(filepath.Dir(path), filepath.FromSlash(u.Path))
		if strings.HasPrefix(u.Path, "/") {
			file = filepath.Join(root, filepath.FromSlash(u.Path))
		}
	}
	if _, err := os.Stat(file); err != nil {
		return "there is no such file"
	}
	if u.Fragment == "" || filepath.Ext(file) != ".md" {
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), u.Fragment) {
		return "the document has no such heading"
	}
	return ""
}

// anchors returns the names that a forge gives to a document's headings.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return names
}

func TestBroken(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("other.md", "# What `make run` does\n")
	doc := write("doc.md", "# Top\n"+
		"[a](other.md) [b](other.md#what-make-run-does \"title\") [c](#top) [d](/other.md) [e](https://example.com/x) ![f](gone.png)\n"+
		"[g](other.md#nowhere) `[h](in-code.md)`\n```\n[i](in-a-fence.md)\n```\n[j]: gone-too.md\n")
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range links(string(text)) {
		if broken(dir, doc, l) != "" {
			got = append(got, l)
		}
	}
	want := []string{"gone.png", "other.md#nowhere", "gone-too.md"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("broken links (-want +got):\n%s", diff)
	}
}
