package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// WriteJSON writes the report's document, indented, in UTF-8.
func (r *Report) WriteJSON(w io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = io.WriteString(w, ledger.Visible(string(text))+"\n")
	return err
}

// WriteCSV writes the rows as RFC 4180 has it, under a line of column names. The first column is empty in a report
// without periods.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	lines := [][]string{{"period", "set", "reason", "sink", "records", "bytes", "percent_of_set", "percent_of_all"}}
	for _, row := range r.Rows {
		lines = append(lines, []string{
			row.Period, row.Set, row.Reason, ledger.SinkText(row.Sink), strconv.FormatUint(row.Records, 10), strconv.FormatUint(row.Bytes, 10), row.OfSet, row.OfAll,
		})
	}
	return out.WriteAll(lines)
}

// WriteText writes the report as a table for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s entries, root %s\n", r.Ledger.Origin, share.Thousands(r.Ledger.Size), r.Ledger.Root)
	if r.Ledger.Key == "" {
		b.WriteString("not verified: nothing here was checked, give --key to do so\n")
	} else {
		fmt.Fprintf(&b, "verified with %s\n", r.Ledger.Key)
	}
	fmt.Fprintf(&b, "records: %s, in entries: %s", share.Thousands(r.Records), share.Thousands(r.Ranges))
	if r.Replays > 0 {
		fmt.Fprintf(&b, "; entries of what was stored once more, not added up: %s", share.Thousands(r.Replays))
	}
	b.WriteString("\n")
	if only := r.only(); only != "" {
		fmt.Fprintf(&b, "only %s; percentages are of these records\n", only)
	}
	if len(r.Rows) > 0 {
		b.WriteByte('\n')
		r.writeTable(&b)
	}
	_, err := io.WriteString(w, ledger.Visible(b.String()))
	return err
}

// only says which records of the ledger were asked for, "" if all were: a share of a choice must not pass for one of all.
func (r *Report) only() string {
	var choices []string
	if len(r.Topics) > 0 {
		choices = append(choices, "topic "+strings.Join(r.Topics, " or "))
	}
	if len(r.Jurisdictions) > 0 {
		choices = append(choices, "sets with "+strings.Join(r.Jurisdictions, " or "))
	}
	return strings.Join(choices, ", ")
}

// writeTable writes the rows; a period and a set are written where they begin.
func (r *Report) writeTable(b *strings.Builder) {
	lines := [][]string{{"period", "set or candidates", "records", "% of set", "% of all", "sink", "reason"}}
	last := Row{}
	for i, row := range r.Rows {
		period, set := row.Period, row.Set
		if i > 0 && period == last.Period {
			period = ""
			if set == last.Set {
				set = ""
			}
		}
		lines = append(lines, []string{period, set, share.Thousands(row.Records), row.OfSet, row.OfAll, ledger.SinkText(row.Sink), row.Reason})
		last = row
	}
	first := 0
	if r.By == "" {
		first = 1 // there are no periods
	}
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		text := ""
		for i := first; i < len(line); i++ {
			if 2 <= i && i <= 4 {
				text += fmt.Sprintf("%*s  ", width[i], line[i])
			} else {
				text += fmt.Sprintf("%-*s  ", width[i], line[i])
			}
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
}
