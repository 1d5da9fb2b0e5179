package recount

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
	"github.com/demarc/demarc/sinks"
)

// Config says what is compared with what.
type Config struct {
	Ledger *tiles.Log
	Key    tiles.Key

	// Policy is the policy that the caller believes in. The ledger must have told it.
	Policy *classifier.Policy

	// Sinks are the only places that are read: those of Policy, and others that the caller knows of. The ledger holds
	// policies too, but somebody who writes a ledger must not choose where credentials are sent.
	Sinks []SinkPlace

	Geo    []*classifier.Geo // the databases at hand
	Source *Source           // nil: the sinks are not compared with the source
	Sample uint64            // how many receipts are drawn; 0: all are looked at
	Seed   uint64            // of the drawing

	ClientID  string
	TempDir   string // for what memory does not hold; empty: the system's
	MaxListed int    // how many differences are listed; the others are counted. 0 stands for 1,000
	Workers   int    // places read at once; 0 stands for the number of processors

	Progress func(p Phase, done, total uint64) // may be nil; called from several goroutines
}

// SinkPlace is where a sink is: a topic or a directory.
type SinkPlace struct {
	Name  string
	Topic *sinks.KafkaConfig
	Dir   string
}

// Source is the cluster that the records came from.
type Source struct {
	Transport kafka.RoundTripper
	Addr      net.Addr
	ClusterID string
}

// Phase is what a recount is at.
type Phase string

// The phases, in their order.
const (
	Verifying     Phase = "entries verified"
	ReadingSinks  Phase = "receipts compared"
	ReadingSource Phase = "entries compared with the source"
)

// Run holds a ledger against the sinks. The error says why nothing could be found out; what could not be found out of
// a part is in the result.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.MaxListed == 0 {
		cfg.MaxListed = 1000
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	rep := newReport(cfg.MaxListed)
	rep.result.Begun = time.Now().UTC().Truncate(time.Second)
	rep.result.Policy = PolicyRef{int64(cfg.Policy.Version), hex.EncodeToString(cfg.Policy.Hash[:])}
	t, verified, err := readLedger(ctx, &cfg, rep)
	if err != nil {
		return nil, err
	}
	defer t.receipts.close()
	r := newRun(&cfg, rep, t)
	if r.trusts(verified) {
		err = r.compare(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.settle()
	rep.result.Ended = time.Now().UTC().Truncate(time.Second)
	return rep.finish(), nil
}

// run is the state of one Run after the ledger was read.
type run struct {
	cfg     *Config
	report  *report
	told    *told
	given   *policyUse
	geos    map[string]*classifier.Geo
	places  places
	drawn   map[uint64]struct{} // numbers of receipts; nil: all
	touched map[uint64]struct{} // with a sample and a source: entries whose receipts are all looked at
	tallies tallies
	doubles doubles
	done    atomic.Uint64

	mu    sync.Mutex
	found map[any]*foundPlace
}

func newRun(cfg *Config, rep *report, t *told) *run {
	r := &run{cfg: cfg, report: rep, told: t, geos: map[string]*classifier.Geo{}, found: map[any]*foundPlace{}}
	r.tallies.report, r.tallies.told = rep, t
	for _, g := range cfg.Geo {
		hash := g.Hash()
		r.geos[hex.EncodeToString(hash[:])] = g
	}
	return r
}

// trusts reports whether the ledger is worth comparing: it verifies, and knows the policy.
func (r *run) trusts(v *verify.Result) bool {
	rep := r.report
	if v.Checkpoint != nil {
		rep.result.Ledger = LedgerRef{v.Checkpoint.Origin, v.Checkpoint.Size, v.Checkpoint.Root.String()}
	}
	for _, f := range v.Faults {
		d := Difference{Kind: LedgerFault, Cause: f.String()}
		if f.IsEntry {
			d.Entry = &f.Entry
		}
		rep.differ(d)
	}
	if v.FaultCount > 0 {
		rep.result.Differences[LedgerFault] = int64(v.FaultCount)
		return false
	}
	for _, use := range r.told.policies {
		if use.cited {
			rep.result.Policies = append(rep.result.Policies, PolicyRef{use.ref.Version, use.ref.SHA256})
		}
	}
	hash := rep.result.Policy.SHA256
	i, known := r.told.byHash[hash]
	if !known || r.told.policies[i].policy == nil {
		rep.differ(Difference{Kind: PolicyFault, Cause: fmt.Sprintf("the ledger does not know the policy version %d with the SHA-256 %s; give the file that it was run with, unchanged", r.cfg.Policy.Version, hash)})
		return false
	}
	r.given = r.told.policies[i]
	return true
}

// compare reads the sinks, and the source if there is one.
func (r *run) compare(ctx context.Context) error {
	if err := r.draw(); err != nil {
		return err
	}
	r.places.open(ctx, r)
	defer r.places.close()
	if err := r.readSinks(ctx); err != nil {
		return err
	}
	if r.cfg.Source == nil {
		return nil
	}
	return r.readSource(ctx)
}

// draw chooses the sample.
func (r *run) draw() error {
	total := r.told.total
	if r.cfg.Sample == 0 {
		return nil
	}
	n := min(r.cfg.Sample, total)
	r.drawn = choose(r.cfg.Seed, total, n)
	s := &Sample{Seed: r.cfg.Seed, Drawn: n, Of: total, Confidence: []Chance{}}
	for _, in := range []uint64{100, 1000, 10_000} {
		bad := (total + in - 1) / in
		s.Confidence = append(s.Confidence, Chance{False: bad, In: in, Probability: Confidence(total, n, bad)})
	}
	r.report.result.Sample = s
	if r.cfg.Source == nil {
		return nil
	}
	r.touched = map[uint64]struct{}{}
	for g := range r.told.groups.list {
		c := r.told.receipts.group(uint32(g))
		var one receipt
		for c.next() {
			if err := one.read(c.key, c.payload); err != nil {
				return err
			}
			if _, drawn := r.drawn[one.number]; drawn {
				r.touched[one.entry] = struct{}{}
			}
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// wants reports whether a receipt is looked at.
func (r *run) wants(one *receipt) bool {
	if r.drawn == nil {
		return true
	}
	_, drawn := r.drawn[one.number]
	_, touched := r.touched[one.entry]
	return drawn || touched
}

// readSinks compares every place with its receipts, several places at once.
func (r *run) readSinks(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan group)
	var workers sync.WaitGroup
	for range r.cfg.Workers {
		workers.Go(func() {
			w := newWorker(r)
			for g := range queue {
				if err := w.group(ctx, g); err != nil {
					cancel(err) // of this machine: a temporary file, or a signal
				}
			}
		})
	}
	for _, g := range r.places.all(r) {
		select {
		case queue <- g:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// progress counts receipts that were dealt with.
func (r *run) progress() {
	done := r.done.Add(1)
	if r.cfg.Progress != nil {
		r.cfg.Progress(ReadingSinks, done, r.told.total)
	}
}

// settle says what is left of the differences that the source could have explained.
func (r *run) settle() {
	for _, p := range r.found {
		if n := p.Unreceipted; n.Records > n.Duplicates {
			for _, d := range p.pending {
				r.report.differ(d)
			}
			r.report.result.Differences[Unreceipted] += max(n.Records-n.Duplicates-int64(len(p.pending)), 0)
		}
		r.report.result.Places = append(r.report.result.Places, p.Place)
	}
}

// unreadable is why a place cannot be read, as a difference where another place answers.
func (r *run) unreadable(place string, err error) {
	if refused, ok := errors.AsType[*sinks.RefusedError](err); ok && refused.Pinned() {
		r.report.differ(Difference{Kind: PinFault, Sink: refused.Sink, Cause: err.Error()})
		return
	}
	r.report.unknown("%s: %v", place, err)
}
