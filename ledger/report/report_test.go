package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// day is 2026-07-01T00:00:00Z, in milliseconds.
const (
	day  = 1_782_864_000_000
	hour = 3_600_000
)

func routed(topic string, first int64, counts ...ledger.Count) *ledger.Entry {
	r := &ledger.Range{Source: ledger.Source{Topic: topic}, Counts: counts, Time: &ledger.Times{First: first, Last: first + 1}}
	for _, c := range counts {
		r.Data += c.Records
	}
	return &ledger.Entry{Kind: ledger.KindRange, Range: r}
}

func entries() []*ledger.Entry {
	count := func(set, reason, sink string, n int64) ledger.Count {
		return ledger.Count{Set: set, Reason: reason, Sink: sink, Records: n, Bytes: 100 * n}
	}
	replay := routed("events", day, count("US", "decided", "us-oci", 100))
	replay.Kind = ledger.KindReplay
	return []*ledger.Entry{
		{Kind: ledger.KindSpan, Span: &ledger.Span{}},
		routed("events", day+5, count("EEA", "decided", "eu-fra", 999_999), count("US", "decided", "us-oci", 402_113), count("US", "no_location", "us-quarantine", 5)),
		routed("events", day+hour, count("US", "decided", "us-oci", 50), count("US+EEA", "overlap", "us-oci", 1)),
		routed("audit", day+hour+7, count("none", "no_signal", "us-quarantine", 3), count("US", "decided", "us-oci", 10)),
		routed("audit", day-1, count("US", "decided", "us-oci", 1)),
		replay,
		{Kind: ledger.KindRange, Range: &ledger.Range{Source: ledger.Source{Topic: "events"}}},
	}
}

func TestReports(t *testing.T) {
	for name, opts := range map[string]Options{
		"all":          {},
		"hours":        {By: time.Hour},
		"days":         {By: 24 * time.Hour},
		"topic":        {By: time.Hour, Topics: []string{"audit"}},
		"jurisdiction": {By: time.Hour, Jurisdictions: []string{"EEA", "none"}},
		"nothing":      {Topics: []string{"none"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := New(opts)
			for _, e := range entries() {
				if err := a.Add(e); err != nil {
					t.Fatal(err)
				}
			}
			r := a.Report(Ledger{Origin: "demarc.example/ledger", Size: 7, Root: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
			sum := uint64(0)
			for _, row := range r.Rows {
				sum += row.Records
				if all := row.OfSet == "100.0000"; all != (row.Records == sumOf(r, func(o Row) bool { return o.Period == row.Period && o.Set == row.Set })) {
					t.Errorf("%+v is not all of its set", row)
				}
				if all := row.OfAll == "100.0000"; all != (row.Records == sumOf(r, func(o Row) bool { return o.Period == row.Period })) {
					t.Errorf("%+v is not all of its period", row)
				}
			}
			if sum != r.Records {
				t.Errorf("rows are %d records of %d", sum, r.Records)
			}
			var text, asCSV, asJSON bytes.Buffer
			for _, err := range []error{r.WriteText(&text), r.WriteCSV(&asCSV), r.WriteJSON(&asJSON)} {
				if err != nil {
					t.Error(err)
				}
			}
			if rows, err := csv.NewReader(&asCSV).ReadAll(); err != nil || len(rows) != len(r.Rows)+1 {
				t.Errorf("%v: %v", err, rows)
			}
			golden(t, name+".txt", text.Bytes())
			golden(t, name+".json", asJSON.Bytes())
		})
	}
}

func sumOf(r *Report, of func(Row) bool) uint64 {
	n := uint64(0)
	for _, row := range r.Rows {
		if of(row) {
			n += row.Records
		}
	}
	return n
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestOrderDoesNotMatter shuffles the entries: the report has the same bytes.
func TestOrderDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var want string
	for i := range 50 {
		all := entries()
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		a := New(Options{By: time.Hour})
		for _, e := range all {
			if err := a.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		var got bytes.Buffer
		if err := a.Report(Ledger{}).WriteJSON(&got); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = got.String()
		}
		if got.String() != want {
			t.Fatal(cmp.Diff(want, got.String()))
		}
	}
}

// TestHostileNames: what a ledger calls its sinks and itself does not move a cursor, turn a line round or calculate.
func TestHostileNames(t *testing.T) {
	a := New(Options{})
	if err := a.Add(routed("events", day, ledger.Count{Set: "US", Reason: "decided", Sink: "=1+cmd|' /C calc'!A0\u202e", Records: 1})); err != nil {
		t.Fatal(err)
	}
	r := a.Report(Ledger{Origin: "good\x1b[2K\r100 %"})
	var text, asCSV, asJSON bytes.Buffer
	for _, err := range []error{r.WriteText(&text), r.WriteCSV(&asCSV), r.WriteJSON(&asJSON)} {
		if err != nil {
			t.Error(err)
		}
	}
	if want := `good\u001b[2K\u000d100 %, 0 entries`; !strings.HasPrefix(text.String(), want) {
		t.Errorf("text %q, want %q", text.String(), want)
	}
	rows, err := csv.NewReader(&asCSV).ReadAll()
	if want := `"=1+cmd|' /C calc'!A0\u202e"`; err != nil || rows[1][3] != want {
		t.Errorf("CSV %v, %v, want %s", rows, err, want)
	}
	if strings.ContainsRune(asJSON.String(), '\u202e') || !json.Valid(asJSON.Bytes()) {
		t.Errorf("JSON %q", asJSON.String())
	}
}

// TestScatteredTimes stops before memory does.
func TestScatteredTimes(t *testing.T) {
	a := New(Options{By: time.Hour})
	for i := range int64(maxPeriods) {
		if err := a.Add(routed("events", -50*day+i*hour, ledger.Count{Set: "US", Records: 1})); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Add(routed("events", day, ledger.Count{Set: "US", Records: 1})); err == nil {
		t.Error("one period more than there may be is taken")
	}
}
