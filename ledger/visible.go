package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Visible is text with everything escaped that a terminal or a page does not show as a character of its own: what turns
// the direction of writing round, joins lines or takes no width makes a name from a ledger look like another one. Line
// feeds stay. Of a JSON document it is the same document.
func Visible(text string) string {
	shown := func(r rune) bool { return r == '\n' || unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if !strings.ContainsFunc(text, func(r rune) bool { return !shown(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case shown(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// IsPlainName reports whether a sink may have the name in a policy: letters, digits and . _ - only.
func IsPlainName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	})
}

// SinkText is a sink's name, in quotes if no policy could have it: a ledger may hold any text for one, also such as goes
// on with the sentence that it stands in, or is a formula to who opens a table.
func SinkText(name string) string {
	if IsPlainName(name) {
		return name
	}
	return strconv.Quote(name)
}
