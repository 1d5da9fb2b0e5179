package claim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/demarc/demarc/internal/yaml"
	"github.com/demarc/demarc/ledger"
)

// policy is what a claim needs to know of a policy that the ledger holds.
type policy struct {
	version    int64
	parts      int32  // so far
	text       []byte // of these parts
	fault      string // why its meaning is not known; "" once the text is whole and read
	definition string // of the claim's jurisdiction, in one line; "" if the policy does not define it
	overlaps   []overlap
	sinks      map[string]described
	looksUp    bool // the jurisdiction consults an IP address
	reads      bool // some signal is an IP address, so that a geo database decides
	maxAge     bool // the geo database has an age limit
}

// overlap is a set that the policy routes as one of its members.
type overlap struct {
	set    string // sorted
	member string
}

// addPolicy takes one part of a policy's text. The whole text is read once and not kept.
func (a *Accumulator) addPolicy(e *ledger.Policy) {
	p := a.policies[e.SHA256]
	if p == nil {
		p = &policy{version: e.Version, fault: "its text is not whole"}
		a.policies[e.SHA256] = p
	}
	if e.Part != p.parts+1 || p.fault == "" || len(p.text)+len(e.Text) > maxPolicyBytes || a.policyBytes > maxPoliciesBytes {
		return // told once more, or a part too many: the text stays what it is, or not whole
	}
	a.policyBytes += len(e.Text)
	p.parts++
	p.text = append(p.text, e.Text...)
	if p.parts < e.Parts {
		return
	}
	if hash := sha256.Sum256(p.text); hex.EncodeToString(hash[:]) != e.SHA256 {
		p.fault = "its text does not have the hash that it is told of with"
	} else {
		p.fault = p.read(a.spec.Jurisdiction)
	}
	p.text = nil
}

// maxPolicyBytes is what a policy may be at most, maxPoliciesBytes what is read of all together: some thousand versions.
const (
	maxPolicyBytes   = 256 << 10
	maxPoliciesBytes = 64 << 20
)

// read takes from the text what the jurisdiction is; it returns why it could not.
func (p *policy) read(jurisdiction string) string {
	r := yaml.Reader{File: "policy", What: "policy", Needs: "jurisdictions", MaxBytes: maxPolicyBytes, MaxKeys: maxKeys}
	root, _ := r.Parse(p.text)
	if faults := r.Faults(); len(faults) > 0 {
		return "its text cannot be read: " + faults[0].Error()
	}
	for _, m := range child(root, "overlap").Members {
		if !slices.Contains(strings.Split(m.Key.Text, "+"), m.Value.Text) {
			continue // no demarc routes by it
		}
		p.overlaps = append(p.overlaps, overlap{sortedSet(m.Key.Text), m.Value.Text})
	}
	for _, m := range child(root, "signals").Members {
		p.reads = p.reads || isAddress(m.Value)
	}
	p.sinks = map[string]described{}
	for _, m := range child(root, "sinks").Members {
		p.sinks[m.Key.Text] = describe(m.Value)
	}
	p.maxAge = child(child(root, "geo"), "max_age").Kind == yaml.Text
	jurisdictions := child(root, "jurisdictions")
	j := child(jurisdictions, jurisdiction)
	if j.Kind != yaml.Mapping {
		return ""
	}
	p.definition = define(jurisdictions, jurisdiction, j, child(root, "signals"))
	for _, name := range consulted(j) {
		p.looksUp = p.looksUp || isAddress(child(child(root, "signals"), name))
	}
	return ""
}

// isAddress reports whether a signal is an IP address.
func isAddress(signal yaml.Node) bool {
	as := child(signal, "as").Text
	return as == "ip" || as == "forwarded_for"
}

// define writes in one line all that makes a record the jurisdiction's: two policies with the same line mean the
// same by it.
func define(all yaml.Node, name string, j, signals yaml.Node) string {
	var b strings.Builder
	if child(j, "rest").Kind == yaml.Bool {
		var listed []string
		for _, other := range all.Members {
			if other.Key.Text != name {
				listed = append(listed, items(child(other.Value, "countries"))...)
			}
		}
		fmt.Fprintf(&b, "every country but %s", printable(sortedList(listed)))
	} else {
		fmt.Fprintf(&b, "countries %s", printable(sortedList(items(child(j, "countries")))))
	}
	for _, when := range child(j, "when").Members {
		fmt.Fprintf(&b, "; when %s of", printable(when.Key.Text))
	}
	for i, signal := range consulted(j) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", printable(signal), canonical(child(signals, signal)))
	}
	return b.String()
}

// consulted lists the signals of a jurisdiction in their order.
func consulted(j yaml.Node) []string {
	var names []string
	for _, m := range child(j, "when").Members {
		names = append(names, items(m.Value)...)
	}
	return names
}

// child is the value of a mapping's key, or nothing.
func child(n yaml.Node, key string) yaml.Node {
	for _, m := range n.Members {
		if m.Key.Text == key {
			return m.Value
		}
	}
	return yaml.Node{}
}

func items(n yaml.Node) []string {
	var texts []string
	for _, item := range n.Items {
		texts = append(texts, item.Text)
	}
	return texts
}

func sortedList(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), " ")
}

// canonical writes a value the same way whatever its layout and the order of its keys.
func canonical(n yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.List:
		for _, item := range n.Items {
			parts = append(parts, canonical(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.Mapping:
		for _, m := range n.Members {
			parts = append(parts, printable(m.Key.Text)+": "+canonical(m.Value))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return printable(n.Text)
}

// printable writes text as it is, or in Go's quotes if it holds what a terminal would not print.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
