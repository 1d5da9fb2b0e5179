package classifier

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/demarc/demarc/internal/yaml"
)

// integer reads a decimal integer of at least 1 that fits 32 bits.
func (l *loader) integer(n yaml.Node, what string) (int, bool) {
	i, err := strconv.ParseInt(n.Text, 10, 32)
	if n.Kind != yaml.Number || err != nil || i < 1 || strconv.FormatInt(i, 10) != n.Text {
		l.Fault(n.At, "%s is %s: want a decimal integer from 1 to 2147483647", what, n.Describe())
		return 0, false
	}
	return int(i), true
}

// isTrue reads a key that can only be true.
func (l *loader) isTrue(n yaml.Node, what string) bool {
	if n.Kind != yaml.Bool || !strings.EqualFold(n.Text, "true") {
		l.Fault(n.At, "%s is %s: want true, or leave it out", what, n.Describe())
		return false
	}
	return true
}

func (l *loader) duration(n yaml.Node, what string) (time.Duration, bool) {
	d, err := time.ParseDuration(n.Text)
	if n.Kind != yaml.Text || err != nil || d <= 0 {
		l.Fault(n.At, "%s is %s: want a duration above zero such as 720h or 90m", what, n.Describe())
		return 0, false
	}
	return d, true
}

// country reads an ISO 3166-1 alpha-2 code in upper case.
func (l *loader) country(n yaml.Node, what string) (Country, bool) {
	code, ok := l.Text(n, what)
	if !ok {
		return 0, false
	}
	c, ok := CountryByAlpha2(code)
	switch {
	case !ok:
		l.Fault(n.At, "%s is %q, which is no ISO 3166-1 alpha-2 code%s", what, code, countryHint(code))
	case c == XK && !l.listed.Has(XK):
		l.Fault(n.At, "%s is %q, which is a country only if a jurisdiction lists it in countries", what, code)
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
func (l *loader) countries(n yaml.Node, what string) (Countries, []ref, bool) {
	items, ok := l.TextList(n, what)
	var set Countries
	refs := make([]ref, 0, len(items))
	for _, item := range items {
		c, known := l.country(item, "entry of "+what)
		if !known {
			ok = false
			continue
		}
		set.Add(c)
		refs = append(refs, ref{int(c), item.At})
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
