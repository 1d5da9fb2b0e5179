package claim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// doubts are the records of which a claim with a recount does not say that they lie where the ledger states. They are
// known by entry and sink: receipts do not say the reasons of their records, so that all of an entry in one sink count.
type doubts struct {
	size   uint64 // entries that were recounted
	below  bool   // nothing below size is confirmed
	above  bool   // nothing from size on is: the claim is about what sinks hold, which only a recount tells
	sinks  map[string]bool
	at     map[sinkOfEntry]bool
	places map[place]*recountPlace // of topics
}

// sinkOfEntry is what one entry says of one sink; of all its sinks if it names none.
type sinkOfEntry struct {
	entry uint64
	sink  string
}

// newDoubts reads from a recount what it does not confirm.
func newDoubts(verb string, r *Recount) doubts {
	d := doubts{above: verb == Stored, sinks: map[string]bool{}, at: map[sinkOfEntry]bool{}, places: map[place]*recountPlace{}}
	if r == nil {
		return d
	}
	d.size = r.Ledger.Size
	d.below = verb == Stored && r.shortfall() != "" || r.unlisted() > 0 || !r.compared()
	for _, one := range r.Listed {
		switch {
		case one.Entry != nil:
			d.at[sinkOfEntry{*one.Entry, one.Sink}] = true
		case one.Kind == kindUnreceipted || one.Kind == kindDamaged: // about bytes that no receipt covers
		case one.Sink != "":
			d.sinks[one.Sink] = true
		default:
			d.below = true
		}
	}
	for i := range r.Places {
		if p := &r.Places[i]; p.Topic != "" {
			d.places[p.key().place] = p
		}
	}
	return d
}

// about reports whether records of an entry in a sink are in doubt.
func (d *doubts) about(entry uint64, sink string) bool {
	if entry >= d.size {
		return d.above
	}
	return d.below || d.sinks[sink] || d.at[sinkOfEntry{entry, sink}] || d.at[sinkOfEntry{entry, ""}]
}

// gone reports whether records of a receipt lie below the log start.
func (d *doubts) gone(entry uint64, r *ledger.Receipt) bool {
	if entry >= d.size || r.Kafka == nil {
		return false
	}
	p := d.places[place{r.Kafka.Cluster, r.Kafka.Topic, r.Kafka.Partition}]
	return p != nil && r.Kafka.Base < p.LogStart
}

// compared reports whether the recount came as far as the sinks: it does not on a ledger that was damaged where it
// ran, or with a policy that the ledger does not know.
func (r *Recount) compared() bool {
	nothing := r.Receipts.Total == 0 && len(r.Places) == 0
	return !nothing || r.Differences[kindLedger]+r.Differences[kindPolicy] == 0
}

// unlisted counts the differences that are not listed: whom they concern is not known. Records without a receipt are
// counted by place, whatever is listed.
func (r *Recount) unlisted() uint64 {
	n := int64(0)
	for kind, counted := range r.Differences {
		if kind != kindUnreceipted {
			n += counted
		}
	}
	for _, d := range r.Listed {
		if d.Kind != kindUnreceipted {
			n--
		}
	}
	return uint64(n)
}

// shortfall says why a recount vouches for nothing as a whole; "" if it does.
func (r *Recount) shortfall() string {
	switch n := r.Receipts; {
	case !r.compared():
		return "the recount compared nothing"
	case r.Sample != nil:
		return r.Sample.String()
	case n.Unread > 0:
		return fmt.Sprintf("the recount could not read the places of %s of %s", share.Thousands(uint64(n.Unread)), share.Plural(n.Total, "receipt"))
	case r.Records.Undecided > 0:
		return fmt.Sprintf("the recount could not decide %s of %s again", share.Thousands(uint64(r.Records.Undecided)), share.Plural(r.Records.Read, "record"))
	case len(r.Unknown) > 0:
		return "the recount could not find out everything"
	}
	return ""
}

// String says what the sample is worth by its first chance.
func (s *recountSample) String() string {
	text := fmt.Sprintf("a sample of %s of %s was recounted", share.Thousands(s.Drawn), share.Plural(s.Of, "receipt"))
	if len(s.Confidence) > 0 {
		text += ": " + s.Confidence[0].String()
	}
	return text
}

// String is the chance in words. A probability is cut off, never rounded up.
func (c recountChance) String() string {
	tenths := int(c.Probability * 1000)
	return fmt.Sprintf("if 1 in %s were false, it holds one of them with %d.%d %% probability", share.Thousands(c.In), tenths/10, tenths%10)
}

// fits reports whether the recount is of the ledger that was judged, as far as that shows in the entries. That the
// tree is a prefix of the judged one, the caller has proved.
func (a *Accumulator) fits(l Ledger) error {
	r := a.recount
	if r == nil {
		return nil
	}
	root, err := base64.StdEncoding.DecodeString(l.Root)
	switch {
	case r.Ledger.Origin != l.Origin:
		return fmt.Errorf("it is of the ledger %q, and this is %q", r.Ledger.Origin, l.Origin)
	case r.Ledger.Size > l.Size:
		return fmt.Errorf("it is of %s, and the ledger has %s", entries(r.Ledger.Size), entries(l.Size))
	case r.Ledger.Size == l.Size && (err != nil || string(root) != string(r.root[:])):
		return errors.New("it is of another ledger of this size")
	case !r.compared():
		return nil
	}
	for _, entry := range slices.Sorted(maps.Keys(a.listed)) {
		return fmt.Errorf("it lists a difference in a receipt of entry %d that the ledger does not have", entry)
	}
	counted := map[string]int64{}
	for _, s := range r.Sinks {
		counted[s.Name] = s.Receipts.Total
	}
	for sink, n := range a.receipts {
		if counted[sink] != n {
			return fmt.Errorf("it counts %s of sink %s, and the ledger has %s below entry %d", share.Plural(counted[sink], "receipt"), sink, share.Thousands(uint64(n)), r.Ledger.Size)
		}
	}
	if len(counted) > len(a.receipts) {
		return errors.New("it tells of sinks of which the ledger has no receipt")
	}
	if r.Sample == nil && r.Source != nil && r.Source.Entries != a.outcomes {
		return fmt.Errorf("it compared %s with the source, and the ledger has %s of records below entry %d", entries(uint64(r.Source.Entries)), entries(uint64(a.outcomes)), r.Ledger.Size)
	}
	if r.Verdict == "equal" && r.Receipts.Equal == r.Receipts.Total && r.Records.Read != a.stored {
		return fmt.Errorf("every receipt is equal, and it read %s, where the ledger has %s below entry %d", share.Plural(r.Records.Read, "record"), share.Thousands(uint64(a.stored)), r.Ledger.Size)
	}
	for i := range r.Places {
		p := &r.Places[i]
		if c := a.places[p.key().place]; p.Topic != "" && p.Receipts.Total != c.receipts() {
			return fmt.Errorf("it counts %s in %s, and the ledger has %s below entry %d", share.Plural(p.Receipts.Total, "receipt"), p, share.Thousands(uint64(c.receipts())), r.Ledger.Size)
		}
	}
	for at, c := range a.places {
		if c.recounted > 0 && a.doubts.places[at] == nil {
			return fmt.Errorf("it does not tell of %s, of which the ledger has receipts below entry %d", at, r.Ledger.Size)
		}
	}
	return nil
}
