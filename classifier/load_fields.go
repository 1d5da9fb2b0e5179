package classifier

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// mapping reports whether n is a mapping that is not empty, or why not.
func (y *yamlReader) mapping(n node, what string) bool {
	switch {
	case n.kind != mappingNode:
		y.fault(n.at, "%s is %s: want a mapping", what, n.describe())
	case len(n.members) == 0:
		y.fault(n.at, "%s is empty: fill it in or leave it out", what)
	default:
		return true
	}
	return false
}

// fields reads a mapping that may have the known keys only.
func (y *yamlReader) fields(n node, what string, known ...string) (map[string]member, bool) {
	if !y.mapping(n, what) {
		return nil, false
	}
	fields := make(map[string]member, len(n.members))
	for _, m := range n.members {
		if !slices.Contains(known, m.key.text) {
			y.fault(m.key.at, "unknown key %q in %s: known are %s", m.key.text, what, strings.Join(known, ", "))
			continue
		}
		fields[m.key.text] = m
	}
	return fields, true
}

// text reads a text that is not empty. A number, true, false and null are none unless they stand in quotes:
// another reader of YAML would not read the text that one sees.
func (y *yamlReader) text(n node, what string) (string, bool) {
	switch {
	case n.kind == listNode, n.kind == mappingNode, n.kind == nullNode && n.text == "":
		y.fault(n.at, "%s is %s: want text", what, n.describe())
	case n.kind != textNode:
		y.fault(n.at, "%s is %s, which is no text: write it in quotes if it is meant", what, n.describe())
	case n.text == "":
		y.fault(n.at, "%s is empty", what)
	default:
		return n.text, true
	}
	return "", false
}

// list reads a list that is not empty.
func (y *yamlReader) list(n node, what string) ([]node, bool) {
	switch {
	case n.kind != listNode:
		y.fault(n.at, "%s is %s: want a list", what, n.describe())
	case len(n.items) == 0:
		y.fault(n.at, "%s is an empty list: fill it in or leave it out", what)
	default:
		return n.items, true
	}
	return nil, false
}

// textList reads a list of different texts. It returns those that could be read; false if one could not.
func (y *yamlReader) textList(n node, what string) ([]node, bool) {
	items, ok := y.list(n, what)
	texts := make([]node, 0, len(items))
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		text, isText := y.text(item, "entry of "+what)
		switch {
		case !isText:
			ok = false
		case seen[text]:
			y.fault(item.at, "%s names %q twice", what, text)
			ok = false
		default:
			seen[text] = true
			texts = append(texts, item)
		}
	}
	return texts, ok
}

// integer reads a decimal integer of at least 1 that fits 32 bits.
func (y *yamlReader) integer(n node, what string) (int, bool) {
	i, err := strconv.ParseInt(n.text, 10, 32)
	if n.kind != numberNode || err != nil || i < 1 || strconv.FormatInt(i, 10) != n.text {
		y.fault(n.at, "%s is %s: want a decimal integer from 1 to 2147483647", what, n.describe())
		return 0, false
	}
	return int(i), true
}

// isTrue reads a key that can only be true.
func (y *yamlReader) isTrue(n node, what string) bool {
	if n.kind != boolNode || !strings.EqualFold(n.text, "true") {
		y.fault(n.at, "%s is %s: want true, or leave it out", what, n.describe())
		return false
	}
	return true
}

func (y *yamlReader) duration(n node, what string) (time.Duration, bool) {
	d, err := time.ParseDuration(n.text)
	if n.kind != textNode || err != nil || d <= 0 {
		y.fault(n.at, "%s is %s: want a duration above zero such as 720h or 90m", what, n.describe())
		return 0, false
	}
	return d, true
}

// country reads an ISO 3166-1 alpha-2 code in upper case.
func (l *loader) country(n node, what string) (Country, bool) {
	code, ok := l.text(n, what)
	if !ok {
		return 0, false
	}
	c, ok := CountryByAlpha2(code)
	switch {
	case !ok:
		l.fault(n.at, "%s is %q, which is no ISO 3166-1 alpha-2 code%s", what, code, countryHint(code))
	case c == XK && !l.listed.Has(XK):
		l.fault(n.at, "%s is %q, which is a country only if a jurisdiction lists it in countries", what, code)
		return 0, false
	}
	return c, ok
}

func countryHint(code string) string {
	if _, ok := CountryByAlpha2(strings.ToUpper(code)); ok {
		return ": write it in upper case"
	}
	switch code {
	case "UK":
		return ": the United Kingdom is GB"
	case "EL":
		return ": Greece is GR"
	case "EU", "EEA":
		return ": list the member countries"
	}
	return ""
}

// countries reads a list of different countries.
func (l *loader) countries(n node, what string) (Countries, []ref, bool) {
	items, ok := l.textList(n, what)
	var set Countries
	refs := make([]ref, 0, len(items))
	for _, item := range items {
		c, known := l.country(item, "entry of "+what)
		if !known {
			ok = false
			continue
		}
		set.Add(c)
		refs = append(refs, ref{int(c), item.at})
	}
	return set, refs, ok
}

// plainName reports whether name can stand in headers, labels and file names as it is: letters, digits and . _ -
func plainName(name string) bool {
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return false
		}
	}
	return name != ""
}
