package ledger

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/record"
)

// plain reads a string without control characters: what an entry says ends up on terminals.
func (c *cursor) plain() string {
	s := c.str()
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r <= 0x9f {
			c.fail("the string holds the control character U+%04X", r)
			return ""
		}
	}
	return s
}

// name reads a plain string that is not empty.
func (c *cursor) name() string {
	s := c.plain()
	if c.err == nil && s == "" {
		c.fail("is empty")
	}
	return s
}

// word reads one of some words.
func (c *cursor) word(words ...string) string {
	s := c.str()
	if i := slices.Index(words, s); i >= 0 {
		return words[i]
	}
	c.fail("is %q, want one of %s", s, strings.Join(words, ", "))
	return ""
}

func (c *cursor) reason() string {
	s := c.str()
	reason, ok := record.ParseReason(s)
	if !ok {
		c.fail("%q is not a reason", s)
		return ""
	}
	return reason.String()
}

// noSet is the name of the empty set of jurisdictions.
const noSet = "none"

// set reads "none", or names of jurisdictions joined by "+", each once.
func (c *cursor) set() string {
	s := c.str()
	if c.err == nil && s != noSet && !setOfNames(s) {
		c.fail("%q is not a set of jurisdictions", s)
	}
	return s
}

func setOfNames(s string) bool {
	if !strings.Contains(s, "+") {
		return record.IsJurisdiction(s)
	}
	names := strings.Split(s, "+")
	if len(names) > record.MaxJurisdictions {
		return false
	}
	for i, name := range names {
		if !record.IsJurisdiction(name) || slices.Contains(names[:i], name) {
			return false
		}
	}
	return true
}

// topic reads a name that Kafka allows a topic.
func (c *cursor) topic() string {
	s := c.str()
	if c.err != nil {
		return ""
	}
	if !record.IsTopic(s) {
		c.fail("%q is not a topic: want 1 to 249 ASCII letters, digits, dots, dashes and underscores", s)
	}
	return s
}

// topicID reads a UUID in lower-case hex with dashes, not all zeros.
func (c *cursor) topicID() string {
	s := c.str()
	if c.err != nil {
		return ""
	}
	ok := len(s) == 36 && strings.Trim(s, "0-") != ""
	for i := 0; ok && i < len(s); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			ok = s[i] == '-'
		} else {
			ok = lowerHex(s[i : i+1])
		}
	}
	if !ok {
		c.fail("%q is not a topic id: want a UUID in lower-case hex with dashes", s)
	}
	return s
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}

func (c *cursor) country() string {
	s := c.str()
	if c.err == nil && (len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z') {
		c.fail("%q is not a country: want the two letters of ISO 3166-1", s)
	}
	return s
}

// fileName reads a path that stays inside the directory it is relative to: someone else's log says where to look.
func (c *cursor) fileName() string {
	s := c.name()
	if c.err == nil && (s == "." || !fs.ValidPath(s) || strings.Contains(s, `\`)) {
		c.fail("%q is not a path inside the sink's directory", s)
	}
	return s
}
