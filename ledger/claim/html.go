package claim

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math/bits"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

//go:embed claim.html
var pageText string

// HTML is the claim as one page that needs nothing beside it: no script, no other host. It prints.
func (c *Claim) HTML() ([]byte, error) {
	page, err := template.New("claim").Funcs(template.FuncMap{
		"thousands": share.Thousands, "entries": entries, "orNone": orNone, "orDash": orDash, "yesNo": yesNo, "sink": ledger.SinkText,
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read page of a claim: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, view{c}); err != nil {
		return nil, fmt.Errorf("write claim as HTML: %w", err)
	}
	return []byte(ledger.Visible(b.String())), nil
}

// view is a claim for the page.
type view struct{ *Claim }

// Verdict is the answer in words.
func (v view) Verdict() string { return v.verdict() }

// Head is the sentence up to what did not go as claimed, which is Tail.
func (v view) Head() string {
	head, _, cut := strings.Cut(v.Sentence, "; ")
	if cut {
		head += ";"
	}
	return head
}

// Tail is the rest of the sentence, "" if there is none.
func (v view) Tail() string {
	_, tail, _ := strings.Cut(v.Sentence, "; ")
	return tail
}

// Period is the period in words.
func (v view) Period() string { return v.Claimed.period() }

// Topics are the topics in words.
func (v view) Topics() string { return orAll(v.Claimed.Topics) }

// Predicate is one of the three for the page.
type Predicate struct {
	Name     string
	Question string
	Holds    bool
	Basis    Basis
	Note     string
	Numbers  []Number
}

// Predicates are the three.
func (v view) Predicates() []Predicate {
	return []Predicate{
		{"Complete", "Does the ledger tell of every source offset of the period?", v.Complete.Holds, v.Complete.Basis, v.Complete.Note, v.Complete.Numbers()},
		{"Classified", "Was every record decided that may be " + v.Claimed.Jurisdiction + "?", v.Classified.Holds, v.Classified.Basis, v.Classified.Note, v.Classified.Numbers()},
		{"Exclusive", "Does every one lie in the sinks of the claim, and nothing unknown in any sink?", v.Exclusive.Holds, v.Exclusive.Basis, v.Exclusive.Note, v.Exclusive.Numbers()},
	}
}

// BoundColumns names the columns of the bounds.
func (v view) BoundColumns() []string { return BoundColumns() }

// BoundRows are the cells of the bounds, each divided where it may go on in a new line: before the time of day, and
// inside an interval. All columns then fit beside each other on a screen and on paper.
func (v view) BoundRows() [][][]string {
	var rows [][][]string
	for _, b := range v.Bounds {
		var row [][]string
		for i, cell := range b.Cells() {
			switch {
			case i == 0: // a partition
				row = append(row, []string{cell})
			case i <= 2:
				row = append(row, strings.SplitAfter(cell, " "))
			default:
				row = append(row, strings.SplitAfter(cell, "T"))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Segment is a part of the whole as a piece of a bar that is barWidth wide.
type Segment struct {
	Class   string
	Label   string
	Records uint64
	Percent string
	X, W    uint64
}

// barWidth is the width of a bar in the units of its drawing.
const barWidth = 1000

// Segments are all parts of the whole to scale.
func (v view) Segments() []Segment { return bar(v.parts(), v.Total.Whole, v.Total.Whole) }

// Rest are the parts that did not go as claimed, to the scale of all of these together.
func (v view) Rest() []Segment {
	return bar(v.parts()[1:], v.Total.Whole-v.Total.Inside, v.Total.Whole)
}

func (v view) parts() []Segment {
	t := v.Total
	return []Segment{
		{Class: "inside", Label: "routed as claimed", Records: t.Inside},
		{Class: "outside", Label: "in a sink not named", Records: t.Outside},
		{Class: "unproved", Label: "place not proved", Records: t.Unproved},
		{Class: "doubted", Label: "not confirmed by the recount", Records: t.Doubted},
		{Class: "candidates", Label: "quarantined as a candidate", Records: t.Candidates},
		{Class: "anyone", Label: "quarantined without a candidate", Records: t.Anyone},
		{Class: "uncovered", Label: "offsets in no entry", Records: t.Uncovered},
	}
}

// bar places the parts that are not empty. It counts in integers, so that every machine draws the same.
func bar(parts []Segment, scale, whole uint64) []Segment {
	var list []Segment
	sum := uint64(0)
	for _, p := range parts {
		if p.Records == 0 {
			continue
		}
		p.X = scaled(sum, scale)
		sum += p.Records
		p.W = scaled(sum, scale) - p.X
		p.Percent = share.Percent(p.Records, whole)
		list = append(list, p)
	}
	return list
}

func scaled(n, whole uint64) uint64 {
	hi, lo := bits.Mul64(min(n, whole), barWidth)
	at, _ := bits.Div64(hi, lo, whole)
	return at
}
