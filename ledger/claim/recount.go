package claim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Recount is what `demarc recount --format json` printed, format 1: how the sinks of a ledger were found. README.md of
// package router/recount says what each field means. Nothing signs it: it is the word of who ran the recount.
type Recount struct {
	Format      int              `json:"format"`
	Verdict     string           `json:"verdict"`
	Begun       time.Time        `json:"begun"`
	Ended       time.Time        `json:"ended"`
	Ledger      recountLedger    `json:"ledger"`
	Policy      recountPolicy    `json:"policy"`
	Policies    []recountPolicy  `json:"policies"`
	Sample      *recountSample   `json:"sample,omitempty"`
	Receipts    recountReceipts  `json:"receipts"`
	Records     recountRecords   `json:"records"`
	Sinks       []recountSink    `json:"sinks"`
	Places      []recountPlace   `json:"places"`
	Source      *recountSource   `json:"source,omitempty"`
	Differences map[string]int64 `json:"differences"`
	Listed      []difference     `json:"listed"`
	Unknown     []string         `json:"unknown"`

	root [sha256.Size]byte // of the tree that was recounted
	hash [sha256.Size]byte // of the document
}

type recountLedger struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
}

type recountPolicy struct {
	Version int64  `json:"version"`
	SHA256  string `json:"sha256"`
}

type recountSample struct {
	Seed       uint64          `json:"seed"`
	Drawn      uint64          `json:"drawn"`
	Of         uint64          `json:"of"`
	Confidence []recountChance `json:"confidence"`
}

type recountChance struct {
	False       uint64  `json:"false"`
	In          uint64  `json:"in"`
	Probability float64 `json:"probability"`
}

type recountReceipts struct {
	Total     int64 `json:"total"`
	Read      int64 `json:"read"`
	Equal     int64 `json:"equal"`
	Rewritten int64 `json:"rewritten"`
	Missing   int64 `json:"missing"`
	Gone      int64 `json:"gone"`
	Unread    int64 `json:"unread"`
	Left      int64 `json:"left"`
}

type recountRecords struct {
	Read       int64 `json:"read"`
	Agreed     int64 `json:"agreed"`
	Stated     int64 `json:"stated"`
	Undecided  int64 `json:"undecided"`
	Differing  int64 `json:"differing"`
	TooLarge   int64 `json:"too_large"`
	Refused    int64 `json:"refused"`
	GeoExpired int64 `json:"geo_expired"`
}

type recountSink struct {
	Name     string           `json:"name"`
	Receipts recountReceipts  `json:"receipts"`
	Records  recountRecords   `json:"records"`
	Outcomes []recountOutcome `json:"outcomes"`
}

type recountOutcome struct {
	Set     string `json:"set"`
	Reason  string `json:"reason"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
}

type recountPlace struct {
	Sinks       []string        `json:"sinks"`
	Cluster     string          `json:"cluster,omitempty"`
	Topic       string          `json:"topic,omitempty"`
	Partition   int32           `json:"partition"`
	Directory   string          `json:"directory,omitempty"`
	LogStart    int64           `json:"log_start"`
	End         int64           `json:"end"`
	Receipts    recountReceipts `json:"receipts"`
	Control     int64           `json:"control"`
	Unreceipted noReceipt       `json:"unreceipted"`
	Before      noReceipt       `json:"before"`
}

// noReceipt counts records that no receipt covers.
type noReceipt struct {
	Records    int64 `json:"records"`
	Belonging  int64 `json:"belonging"`
	Elsewhere  int64 `json:"elsewhere"`
	Undecided  int64 `json:"undecided"`
	Duplicates int64 `json:"duplicates"`
}

type recountSource struct {
	Entries    int64 `json:"entries"`
	Equal      int64 `json:"equal"`
	Different  int64 `json:"different"`
	Gone       int64 `json:"gone"`
	Incomplete int64 `json:"incomplete"`
	Unread     int64 `json:"unread"`
	Records    int64 `json:"records"`
}

// difference is one place where a recount found the ledger and the world to differ.
type difference struct {
	Kind    string  `json:"kind"`
	Entry   *uint64 `json:"entry,omitempty"`
	Receipt *int    `json:"receipt,omitempty"`
	Sink    string  `json:"sink,omitempty"`
	Place   string  `json:"place,omitempty"`
	Offset  *int64  `json:"offset,omitempty"`
	Cause   string  `json:"cause"`
}

const recountFormat = 1

// ParseRecount reads the document of a recount. It is strict: a field too many, too few or twice, and numbers that do
// not add up, are errors. A document that somebody made up consistently it cannot tell from a true one.
func ParseRecount(text []byte) (*Recount, error) {
	r := &Recount{hash: sha256.Sum256(text)}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(r); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: the recount that should have filled it printed nothing")
	} else if err != nil {
		return nil, fmt.Errorf("it is not what `demarc recount --format json` prints: %w", err)
	}
	if r.Format != recountFormat {
		return nil, fmt.Errorf("format is %d: this demarc reads format %d", r.Format, recountFormat)
	}
	again, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if !sameTokens(text, again) {
		return nil, errors.New("its fields are not those that `demarc recount` prints: one is missing, there twice or in another place; give the file unchanged")
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// sameTokens reports whether two texts are one document, whatever their blanks and escapes. encoding/json takes
// fields in any case, any order and any number of times; a document that says what was decoded has none of this.
func sameTokens(a, b []byte) bool {
	one, two := json.NewDecoder(bytes.NewReader(a)), json.NewDecoder(bytes.NewReader(b))
	one.UseNumber()
	two.UseNumber()
	for {
		x, err1 := one.Token()
		y, err2 := two.Token()
		if err1 != nil || err2 != nil {
			return err1 == io.EOF && err2 == io.EOF
		}
		if x != y {
			return false
		}
	}
}

// Tree is the tree that was recounted: its number of entries and its root.
func (r *Recount) Tree() (size uint64, root [sha256.Size]byte) { return r.Ledger.Size, r.root }

// check holds the numbers of a recount against each other.
func (r *Recount) check() error {
	root, err := base64.StdEncoding.Strict().DecodeString(r.Ledger.Root)
	if err != nil || len(root) != len(r.root) {
		return fmt.Errorf("root of the ledger is %q: want base64 of %d bytes, as in its checkpoint", r.Ledger.Root, len(r.root))
	}
	copy(r.root[:], root)
	if r.Begun.IsZero() || r.Ended.Before(r.Begun) {
		return fmt.Errorf("it ended at %v and began at %v", r.Ended, r.Begun)
	}
	var receipts, placed recountReceipts
	var records recountRecords
	sinks := map[string]bool{}
	for _, s := range r.Sinks {
		if sinks[s.Name] {
			return fmt.Errorf("sink %q is there twice", s.Name)
		}
		sinks[s.Name] = true
		receipts.add(s.Receipts)
		records.add(s.Records)
		if !s.Receipts.adds() || !s.Records.adds() {
			return fmt.Errorf("numbers of sink %q do not add up", s.Name)
		}
	}
	places := map[placeKey]bool{}
	for i := range r.Places {
		p := &r.Places[i]
		if places[p.key()] {
			return fmt.Errorf("place %s is there twice", p)
		}
		places[p.key()] = true
		placed.add(p.Receipts)
		if !p.Receipts.adds() || !p.Unreceipted.adds() || !p.Before.adds() || p.Control < 0 || p.LogStart < 0 || p.End < 0 {
			return fmt.Errorf("numbers of place %s do not add up", p)
		}
		if p.Unreceipted.Duplicates+p.Before.Duplicates > 0 && r.Source == nil {
			return fmt.Errorf("place %s has duplicates, but the source was not compared", p)
		}
	}
	if r.Receipts != receipts || r.Receipts != placed || r.Records != records {
		return errors.New("numbers of receipts and records are not those of sinks and places together")
	}
	if s := r.Source; s != nil && (least(s.Entries, s.Equal, s.Different, s.Gone, s.Incomplete, s.Unread, s.Records) < 0 ||
		s.Entries != s.Equal+s.Different+s.Gone+s.Incomplete+s.Unread) {
		return errors.New("numbers of the comparison with the source do not add up")
	}
	if err := r.checkSample(); err != nil {
		return err
	}
	return r.checkDifferences()
}

func (r *Recount) checkSample() error {
	s := r.Sample
	if s == nil {
		if r.Receipts.Left > 0 {
			return errors.New("receipts were left out, but it says of no sample")
		}
		return nil
	}
	if s.Drawn > s.Of || s.Of != uint64(r.Receipts.Total) {
		return fmt.Errorf("a sample of %d of %d receipts does not fit the %d that there are", s.Drawn, s.Of, r.Receipts.Total)
	}
	for _, c := range s.Confidence {
		if c.Probability < 0 || c.Probability > 1 {
			return fmt.Errorf("probability of the sample is %v", c.Probability)
		}
	}
	return nil
}

// The kinds of differences that a recount tells apart, and the predicate that each speaks against.
var against = map[string]string{
	kindLedger: "subject", kindPolicy: "exclusive", kindPin: "exclusive", kindRewritten: "exclusive", kindMissing: "exclusive",
	kindDamaged: "exclusive", kindMisplaced: "exclusive", kindOutcome: "classified", kindCounts: "classified",
	kindUnreceipted: "exclusive", kindSource: "complete",
}

const (
	kindLedger      = "ledger"
	kindPolicy      = "policy"
	kindPin         = "pin"
	kindRewritten   = "rewritten"
	kindMissing     = "missing"
	kindDamaged     = "damaged"
	kindMisplaced   = "misplaced"
	kindOutcome     = "outcome"
	kindCounts      = "counts"
	kindUnreceipted = "unreceipted"
	kindSource      = "source"
)

// checkDifferences holds the differences, those counted and those listed, against the other numbers and the verdict.
func (r *Recount) checkDifferences() error {
	for kind, n := range r.Differences {
		if against[kind] == "" || n < 1 {
			return fmt.Errorf("it counts %d differences of the kind %q", n, kind)
		}
	}
	listed := map[string]int64{}
	for _, d := range r.Listed {
		if listed[d.Kind]++; listed[d.Kind] > r.Differences[d.Kind] {
			return fmt.Errorf("more differences of the kind %q are listed than counted", d.Kind)
		}
		if d.Entry != nil && *d.Entry >= r.Ledger.Size || d.Receipt != nil && (*d.Receipt < 0 || d.Entry == nil) {
			return fmt.Errorf("a difference of the kind %q is listed for a receipt or an entry that is not there", d.Kind)
		}
	}
	different := int64(0)
	if r.Source != nil {
		different = r.Source.Different
	}
	without, unexplained := int64(0), r.Differences[kindUnreceipted]
	for _, p := range r.Places {
		without += p.Unreceipted.Records - p.Unreceipted.Duplicates
	}
	if r.Differences[kindRewritten] != r.Receipts.Rewritten || r.Differences[kindMissing] != r.Receipts.Missing ||
		r.Differences[kindMisplaced]+r.Differences[kindOutcome] != r.Records.Differing || r.Differences[kindSource] != different ||
		unexplained < without || (unexplained > 0) != (without > 0) {
		return errors.New("numbers of differences are not those of receipts, records and places")
	}
	verdict := "equal"
	switch {
	case len(r.Differences) > 0:
		verdict = "different"
	case len(r.Unknown) > 0:
		verdict = "unknown"
	}
	if r.Verdict != verdict {
		return fmt.Errorf("its verdict is %q, but by what it says it is %q", r.Verdict, verdict)
	}
	return nil
}

// placeKey tells places apart.
type placeKey struct {
	place
	directory string
}

func (p *recountPlace) key() placeKey {
	return placeKey{place{p.Cluster, p.Topic, p.Partition}, p.Directory}
}

func (p *recountPlace) String() string {
	if p.Topic == "" {
		return "directory " + printable(p.Directory)
	}
	return printable(place{p.Cluster, p.Topic, p.Partition}.String())
}

func (at place) String() string {
	return fmt.Sprintf("%s/%d of cluster %s", at.topic, at.partition, at.cluster)
}

func (n *recountReceipts) add(m recountReceipts) {
	n.Total += m.Total
	n.Read += m.Read
	n.Equal += m.Equal
	n.Rewritten += m.Rewritten
	n.Missing += m.Missing
	n.Gone += m.Gone
	n.Unread += m.Unread
	n.Left += m.Left
}

func (n recountReceipts) adds() bool {
	return least(n.Total, n.Read, n.Equal, n.Rewritten, n.Missing, n.Gone, n.Unread, n.Left) >= 0 &&
		n.Total == n.Read+n.Unread+n.Left && n.Read == n.Equal+n.Rewritten+n.Missing+n.Gone
}

func (n *recountRecords) add(m recountRecords) {
	n.Read += m.Read
	n.Agreed += m.Agreed
	n.Stated += m.Stated
	n.Undecided += m.Undecided
	n.Differing += m.Differing
	n.TooLarge += m.TooLarge
	n.Refused += m.Refused
	n.GeoExpired += m.GeoExpired
}

func (n recountRecords) adds() bool {
	return least(n.Read, n.Agreed, n.Stated, n.Undecided, n.Differing, n.TooLarge, n.Refused, n.GeoExpired) >= 0 &&
		n.Read == n.Agreed+n.Stated+n.Undecided+n.Differing && n.Stated == n.TooLarge+n.Refused+n.GeoExpired
}

func (n noReceipt) adds() bool {
	return least(n.Records, n.Belonging, n.Elsewhere, n.Undecided, n.Duplicates) >= 0 &&
		n.Records == n.Belonging+n.Elsewhere+n.Undecided && n.Duplicates <= n.Belonging
}

func least(n int64, more ...int64) int64 {
	for _, m := range more {
		n = min(n, m)
	}
	return n
}
