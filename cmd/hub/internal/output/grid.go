package output

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Grid is rows of cells under headings, or, without headings, names and their
// values.
type Grid struct {
	head []string
	rows [][]string
}

// NewGrid returns a grid with headings.
func NewGrid(head ...string) *Grid { return &Grid{head: head} }

// Row adds a row. Cells are shown by fmt.Sprint; an empty one shows as a dash,
// so that columns can be told apart by spaces.
func (g *Grid) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if row[i] = Clean(fmt.Sprint(c)); row[i] == "" && g.head != nil {
			row[i] = "-"
		}
	}
	g.rows = append(g.rows, row)
}

// Pair adds a name and its value to a grid without headings, unless the value
// is empty.
func (g *Grid) Pair(name string, value any) {
	if s := fmt.Sprint(value); s != "" {
		g.Row(name, s)
	}
}

// Style is how a table looks.
type Style struct{ Bold bool }

// StyleFor returns the style for a writer: bold headings on a terminal, unless
// the environment asks for none.
func StyleFor(w io.Writer, getenv func(string) string) Style {
	return Style{Bold: IsTerminal(w, getenv) && getenv("NO_COLOR") == ""}
}

// IsTerminal reports whether control sequences can be written to w.
func IsTerminal(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(*os.File)
	if !ok || getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s Style) heading(text string) string {
	if !s.Bold {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// text aligns the columns. The last one is as long as it likes.
func (g *Grid) text(style Style) string {
	var widths []int
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string, look func(column int, text string) string) {
		for i, cell := range cells {
			b.WriteString(look(i, cell))
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	if g.head != nil {
		line(g.head, func(_ int, text string) string { return style.heading(text) })
	}
	for _, row := range g.rows {
		line(row, func(column int, text string) string {
			if g.head == nil && column == 0 {
				return style.heading(text)
			}
			return text
		})
	}
	return b.String()
}

// Clean makes a text safe for a terminal: what is not printable, such as the
// start of a control sequence in what a customer wrote, becomes a space.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
