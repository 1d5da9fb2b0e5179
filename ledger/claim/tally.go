package claim

import "github.com/demarc/demarc/ledger"

// outcome is what became of records, as far as a claim tells them apart.
type outcome struct {
	set, reason, sink string
	policy            string // SHA-256
	fact              int    // of Accumulator.facts: what the sink's pins had last been found to be; -1 if nothing was known
	elsewhere         bool   // a receipt lies in another place than the one whose pins were checked
	doubted           bool   // the recount does not confirm that they lie there
	replay            bool   // stored once more: no part of the population's count
}

// sum is how many records had one outcome.
type sum struct {
	records, bytes uint64
	first          uint64 // index of the first entry that tells of them
}

// tally is what a run of entries of one source partition says. Its size grows with the outcomes, not the entries.
type tally struct {
	mark                  int64 // the offset that it begins at
	reached               bool
	to                    int64 // the first offset after it
	data, control, absent int64
	hole, gap             loss
	counts                map[outcome]sum
	geos                  map[ledger.Geo]bool
	noGeo                 map[string]uint64 // policies of ranges with records that name no geo database, and the first of these entries
	times                 *ledger.Times     // least and greatest of all records
	stored                map[place]extent  // from the first to the last receipt
	fileHoles             map[fileHole]loss // in bytes
	checked               checked
	policies              map[string]int64 // versions by SHA-256
}

// loss is offsets, or bytes, that no entry tells of, and where that first happened.
type loss struct {
	n     int64
	from  int64
	entry uint64
	why   string // of a gap: what the operator wrote
}

func (l *loss) add(n, from int64, entry uint64, why string) {
	if l.n == 0 {
		l.from, l.entry, l.why = from, entry, why
	}
	l.n = min(l.n, maxLoss-n) + n
}

// maxLoss is where a loss stops: receipts in a file may come in any order, and be told of as lacking again and again.
const maxLoss = 1 << 62

// reach notes the first entry of a period that is given by offsets: the tally begins there.
func (t *tally) reach(from int64, within *Offsets) {
	if within != nil && !t.reached {
		t.reached, t.mark, t.to = true, from, from
	}
}

func newTally(mark int64) *tally {
	return &tally{
		mark: mark, to: mark,
		counts: map[outcome]sum{}, geos: map[ledger.Geo]bool{}, noGeo: map[string]uint64{}, stored: map[place]extent{},
		fileHoles: map[fileHole]loss{}, policies: map[string]int64{}, checked: newChecked(),
	}
}

// fileHole is bytes of files of a sink without a receipt, before receipts that were recounted, or above these.
type fileHole struct {
	sink  string
	above bool
}

// seen is a range entry together with what the whole ledger says of its sinks.
type seen struct {
	index uint64
	*ledger.Range
	replay bool
	facts  map[string]fact  // by sink
	holes  map[string]int64 // bytes before its receipts in files, by sink

	above   bool            // it came after what was recounted
	listed  bool            // the recount lists a difference in it
	gone    map[string]gone // receipts below the log start, by sink
	doubted map[string]bool // by sink
}

// fact is the state of a sink's pins for one entry.
type fact struct {
	index     int
	elsewhere bool
}

func (t *tally) add(s seen) {
	t.checked.add(s)
	if !s.replay {
		t.data += s.Data
		t.control += s.Control
		t.absent += s.Absent
		t.span(s.Time)
		t.policies[s.Policy.SHA256] = s.Policy.Version
		if s.Geo != nil {
			t.geos[*s.Geo] = true
		} else if _, known := t.noGeo[s.Policy.SHA256]; s.Data > 0 && !known {
			t.noGeo[s.Policy.SHA256] = s.index
		}
	}
	for _, c := range s.Counts {
		f, known := s.facts[c.Sink]
		if !known {
			f.index = -1
		}
		key := outcome{c.Set, c.Reason, c.Sink, s.Policy.SHA256, f.index, f.elsewhere, s.doubted[c.Sink], s.replay}
		have, old := t.counts[key]
		if !old {
			have.first = s.index
		}
		have.records += uint64(c.Records)
		have.bytes += uint64(c.Bytes)
		t.counts[key] = have
	}
	for _, r := range s.Receipts {
		if r.Kafka != nil {
			at := place{r.Kafka.Cluster, r.Kafka.Topic, r.Kafka.Partition}
			t.stored[at] = t.stored[at].with(extent{r.Kafka.Base, r.Kafka.Last + 1})
		}
	}
	for sink, n := range s.holes {
		at := fileHole{sink, s.above}
		l := t.fileHoles[at]
		l.add(n, 0, s.index, "")
		t.fileHoles[at] = l
	}
}

func (t *tally) span(times *ledger.Times) {
	switch {
	case times == nil:
	case t.times == nil:
		both := *times
		t.times = &both
	default:
		t.times.First, t.times.Last = min(t.times.First, times.First), max(t.times.Last, times.Last)
		if t.times.Type != times.Type {
			t.times.Type = "mixed"
		}
	}
}

// merge adds another tally of the population.
func (t *tally) merge(o *tally) {
	t.data += o.data
	t.control += o.control
	t.absent += o.absent
	t.span(o.times)
	for key, s := range o.counts {
		have, old := t.counts[key]
		if !old || s.first < have.first {
			have.first = s.first
		}
		have.records += s.records
		have.bytes += s.bytes
		t.counts[key] = have
	}
	for at, e := range o.stored {
		t.stored[at] = t.stored[at].with(e)
	}
	t.checked.merge(o.checked)
	for at, l := range o.fileHoles {
		have := t.fileHoles[at]
		if have.n == 0 || l.entry < have.entry {
			have.entry = l.entry
		}
		have.n = min(have.n, maxLoss-l.n) + l.n
		t.fileHoles[at] = have
	}
	for hash, version := range o.policies {
		t.policies[hash] = version
	}
	for hash, entry := range o.noGeo {
		if first, known := t.noGeo[hash]; !known || entry < first {
			t.noGeo[hash] = entry
		}
	}
	for geo := range o.geos {
		t.geos[geo] = true
	}
}
