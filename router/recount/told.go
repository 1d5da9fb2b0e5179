package recount

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/verify"
)

// told is what the ledger says, as far as a recount needs it. Names are numbers here; what grows with the ledger's
// length is in the spools.
type told struct {
	report   *report
	names    numbers[string] // of sinks and of sets
	policies []*policyUse
	byHash   map[string]uint32
	geos     numbers[string] // SHA-256 of geo databases; 0 is none
	newest   string          // of those, the last one cited
	streams  numbers[ledger.Stream]
	lastly   map[ledger.Stream]ledger.Stream // without the topic id -> the newest stream with it
	groups   numbers[group]
	checked  map[placeOf]struct{}
	total    uint64 // receipts
	outcomes uint64 // range and replay entries

	policyBytes int // of the texts of policies that were read

	spooled  *spool // of receipts, by group
	ranges   *spool // of what a comparison with the source needs, by stream; nil without one
	receipts *sorted
	scratch  []byte
}

// group is one place whose receipts are read in order: a partition of a topic, or a file of a directory.
type group struct {
	cluster, topic string
	partition      int32
	dir, file      string
}

func (g group) String() string {
	if g.topic != "" {
		return fmt.Sprintf("%s/%d of cluster %s", g.topic, g.partition, g.cluster)
	}
	return filepath.Join(g.dir, g.file)
}

// placeOf is a place that receipts of a sink of a policy were seen in.
type placeOf struct {
	policy         uint32
	sink           uint32
	cluster, topic string
}

// policyUse is a policy of the ledger.
type policyUse struct {
	ref        ledger.PolicyRef
	text       strings.Builder
	parts      int32
	cited      bool
	policy     *classifier.Policy // nil if the text is not there in full or does not load
	classifier *classifier.Classifier
	names      []string         // of jurisdictions
	sinks      map[string]int16 // by name
}

// numbers gives things numbers, in the order of their first use.
type numbers[T comparable] struct {
	list []T
	by   map[T]uint32
}

func (n *numbers[T]) of(v T) uint32 {
	if i, ok := n.by[v]; ok {
		return i
	}
	if n.by == nil {
		n.by = map[T]uint32{}
	}
	i := uint32(len(n.list))
	n.list = append(n.list, v)
	n.by[v] = i
	return i
}

// readLedger verifies the ledger and takes in what it says. The result of the verification has the faults.
func readLedger(ctx context.Context, cfg *Config, rep *report) (*told, *verify.Result, error) {
	t := &told{
		report: rep, byHash: map[string]uint32{}, lastly: map[ledger.Stream]ledger.Stream{},
		checked: map[placeOf]struct{}{}, spooled: newSpool(cfg.TempDir, spoolMemory),
	}
	t.geos.of("")
	if cfg.Source != nil {
		t.ranges = newSpool(cfg.TempDir, spoolMemory)
	}
	opts := verify.Options{MaxFaults: cfg.MaxListed}
	if cfg.Progress != nil {
		opts.Progress = func(done, size uint64) { cfg.Progress(Verifying, done, size) }
	}
	found, err := verify.Walk(ctx, cfg.Ledger, cfg.Key, opts, t.visit)
	if err != nil {
		return nil, nil, err
	}
	if t.receipts, err = t.spooled.sort(); err != nil {
		return nil, nil, err
	}
	return t, found, nil
}

func (t *told) visit(index uint64, e *ledger.Entry) error {
	switch e.Kind {
	case ledger.KindPolicy:
		t.policy(e.Policy)
	case ledger.KindRange, ledger.KindReplay:
		return t.outcome(index, e.Range)
	}
	return nil
}

// maxPoliciesBytes is how much of the texts of policies is read: some thousand versions. Records under those beyond
// cannot be decided again.
const maxPoliciesBytes = 64 << 20

// policy takes in a part of a policy's text. Parts that are told again, and any out of order, change nothing: the
// walk finds those at fault.
func (t *told) policy(p *ledger.Policy) {
	use := t.use(ledger.PolicyRef{SHA256: p.SHA256, Version: p.Version})
	if p.Part != use.parts+1 || use.policy != nil || t.policyBytes > maxPoliciesBytes {
		return
	}
	t.policyBytes += len(p.Text)
	use.text.WriteString(p.Text)
	use.parts++
	if p.Part < p.Parts {
		return
	}
	loaded, _ := classifier.Load("ledger", []byte(use.text.String()))
	if loaded == nil || hex.EncodeToString(loaded.Hash[:]) != p.SHA256 {
		return
	}
	use.policy, use.classifier, use.names = loaded, classifier.New(loaded), loaded.JurisdictionNames()
	use.sinks = map[string]int16{}
	for i := range loaded.Sinks {
		use.sinks[loaded.Sinks[i].Name] = int16(i)
	}
}

func (t *told) use(ref ledger.PolicyRef) *policyUse {
	i, known := t.byHash[ref.SHA256]
	if !known {
		i = uint32(len(t.policies))
		t.byHash[ref.SHA256] = i
		t.policies = append(t.policies, &policyUse{ref: ref})
	}
	return t.policies[i]
}

// outcome takes in a range or a replay.
func (t *told) outcome(index uint64, e *ledger.Range) error {
	use := t.use(e.Policy)
	use.cited = true
	t.outcomes++
	base := receipt{entry: index, policy: t.byHash[e.Policy.SHA256], source: t.streams.of(e.Source.Stream()), from: e.Source.From, to: e.Source.To}
	if e.Geo != nil {
		base.geo, t.newest = t.geos.of(e.Geo.SHA256), e.Geo.SHA256
	}
	t.lastly[streamless(e.Source.Stream())] = e.Source.Stream()
	if t.ranges != nil {
		t.scratch = appendRange(t.scratch[:0], e)
		if err := t.ranges.add(spoolKey{base.source, base.from, index}, t.scratch); err != nil {
			return err
		}
	}
	for i := range e.Receipts {
		r := base
		r.index, r.number = i, t.total
		t.total++
		at := t.place(&r, use, &e.Receipts[i])
		if err := t.fill(&r, e, &e.Receipts[i]); err != nil {
			return fmt.Errorf("entry %d: receipt %d: %w", index, i, err)
		}
		t.scratch = r.append(t.scratch[:0])
		if err := t.spooled.add(r.key(t.groups.of(at)), t.scratch); err != nil {
			return err
		}
	}
	return nil
}

// fill sets what the receipt and its entry say of numbers.
func (t *told) fill(r *receipt, e *ledger.Range, said *ledger.Receipt) error {
	r.sink = t.names.of(said.Sink)
	if _, err := hex.Decode(r.digest[:], []byte(said.SHA256)); err != nil {
		return err
	}
	for _, n := range said.Counts {
		r.sets = append(r.sets, setCount{t.names.of(n.Set), n.Records})
	}
	for i := range e.Receipts {
		if e.Receipts[i].Sink == said.Sink {
			r.siblings++
		}
	}
	for _, n := range e.Counts {
		if n.Sink == said.Sink {
			reason, _ := record.ParseReason(n.Reason) // ledger.Decode knows no other
			r.counts = append(r.counts, count{t.names.of(n.Set), reason, n.Records, n.Bytes})
		}
	}
	return nil
}

// place finds where a receipt is from, and says once for each sink and place if the policy names another one.
func (t *told) place(r *receipt, use *policyUse, said *ledger.Receipt) group {
	var at group
	if k := said.Kafka; k != nil {
		at = group{cluster: k.Cluster, topic: k.Topic, partition: k.Partition}
		r.base, r.end = k.Base, k.Last+1
	} else {
		at.file = said.File.Name
		r.base, r.end = said.File.From, said.File.To
	}
	if use.policy == nil {
		return at
	}
	i, known := use.sinks[said.Sink]
	cause := ""
	switch {
	case !known:
		cause = "the policy has no such sink"
	case said.File != nil && use.policy.Sinks[i].File == nil:
		cause = "is of a file, but the policy says that the sink is a topic"
	case said.File != nil:
		at.dir = filepath.Clean(use.policy.Sinks[i].File.Dir)
	case use.policy.Sinks[i].Kafka == nil:
		cause = "is of a topic, but the policy says that the sink is a directory"
	case use.policy.Sinks[i].Kafka.Topic != at.topic:
		cause = "the policy says that the sink is topic " + use.policy.Sinks[i].Kafka.Topic
	case use.policy.Sinks[i].Pins.ClusterID != "" && use.policy.Sinks[i].Pins.ClusterID != at.cluster:
		cause = "the policy pins the sink to cluster " + use.policy.Sinks[i].Pins.ClusterID
	}
	seen := placeOf{r.policy, t.names.of(said.Sink), at.cluster, at.topic}
	if _, before := t.checked[seen]; cause != "" && !before {
		t.checked[seen] = struct{}{}
		entry, index := r.entry, r.index
		t.report.differ(Difference{Kind: PolicyFault, Entry: &entry, Receipt: &index, Sink: said.Sink, Place: at.String(), Cause: cause})
	}
	return at
}
