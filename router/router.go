package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// Config says what a router reads and how much it may hold at once. Zero values of the numbers mean the
// defaults given here.
type Config struct {
	Brokers  []string // source cluster
	Topics   []string
	Group    string
	Start    int64                                                                // kafka.FirstOffset or kafka.LastOffset, where the group has no offset
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // with TLS done; nil: plain TCP
	SASL     sasl.Mechanism
	ClientID string

	UntilEnd bool // stop, drained, at the end offsets seen at the start

	Lanes          int           // 32; all members of the group must agree
	Window         int           // 4: chunks of one partition in flight
	FetchBytes     int           // 4 MiB: one fetch response
	PartitionBytes int           // 1 MiB: one partition in it; less with many partitions, see Memory
	Memory         int           // 128 MiB: about how much fetched data may be in flight
	MaxBatchBytes  int           // 64 MiB: a batch that expands beyond this stops its partition
	SessionTimeout time.Duration // 30 s
	DrainLimit     time.Duration // 10 s; below the session timeout
	CommitInterval time.Duration // 100 ms: what a crash delivers twice
	GeoInterval    time.Duration // 5 s: how often the geo file is looked at

	Ledger  Ledger // nil: no evidence is kept
	Program string // name and version, for the ledger

	Metrics *metrics.Set // nil: a set of its own
	Log     *slog.Logger // nil: discarded
}

func (c Config) withDefaults() Config {
	def := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	wait := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	def(&c.Lanes, 32)
	def(&c.Window, 4)
	def(&c.FetchBytes, 4<<20)
	def(&c.PartitionBytes, 1<<20)
	def(&c.Memory, 128<<20)
	def(&c.MaxBatchBytes, 64<<20)
	wait(&c.SessionTimeout, 30*time.Second)
	wait(&c.DrainLimit, 10*time.Second)
	wait(&c.CommitInterval, 100*time.Millisecond)
	wait(&c.GeoInterval, 5*time.Second)
	if c.Start == 0 {
		c.Start = kafka.FirstOffset
	}
	if c.Metrics == nil {
		c.Metrics = metrics.NewSet()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return c
}

// Router reads the source topics and delivers their records. Create it with New, start it with Run.
type Router struct {
	cfg        Config
	classifier *classifier.Classifier
	geo        *Geo
	sinks      []Sink
	codecs     []wire.Codec // per sink
	log        *slog.Logger
	stats      *stats
	now        func() time.Time

	transport *kafka.Transport
	client    *kafka.Client
	addr      net.Addr
	owned     atomic.Pointer[[]int]  // lanes of the newest generation
	apart     atomic.Pointer[string] // why there is no generation at work; nil: there is one

	witness    *witness // nil without a ledger
	workspaces chan *workspace
	outputs    outputs
	atStart    map[record.TopicPartition]bool  // the source partitions when Run began
	ends       map[record.TopicPartition]int64 // with UntilEnd
	abort      chan struct{}                   // closed: drain no longer
	abortOnce  sync.Once

	mu       sync.Mutex
	accounts map[record.TopicPartition]*account
	refined  map[record.TopicPartition]bool // partitions that are read in small segments
}

// New makes a router. Sinks are in policy order; geo may be nil if the policy reads no address. Nothing is
// started and no connection is made.
func New(cfg Config, c *classifier.Classifier, geo *Geo, sinks []Sink) (*Router, error) {
	cfg = cfg.withDefaults()
	if cfg.DrainLimit >= cfg.SessionTimeout {
		return nil, fmt.Errorf("drain limit %s is not below the session timeout %s: no heartbeat is sent while draining", cfg.DrainLimit, cfg.SessionTimeout)
	}
	if got, want := len(sinks), len(c.Policy().Sinks); got != want {
		return nil, fmt.Errorf("router has %d sinks, the policy %d", got, want)
	}
	if geo == nil && c.Policy().ReadsIP() {
		return nil, errors.New("the policy looks addresses up: a geo database is needed")
	}
	codecs, err := codecs(c.Policy().Sinks)
	if err != nil {
		return nil, err
	}
	r := &Router{
		cfg: cfg, classifier: c, geo: geo, sinks: sinks, codecs: codecs, log: cfg.Log, now: time.Now,
		addr:       kafka.TCP(cfg.Brokers...),
		abort:      make(chan struct{}),
		accounts:   map[record.TopicPartition]*account{},
		refined:    map[record.TopicPartition]bool{},
		atStart:    map[record.TopicPartition]bool{},
		workspaces: make(chan *workspace, runtime.GOMAXPROCS(0)),
	}
	r.keptApart(errors.New("it has not answered yet"))
	r.stats = newStats(r)
	if cfg.Ledger != nil {
		r.witness = newWitness(r)
	}
	r.transport = &kafka.Transport{
		Dial: cfg.Dial, SASL: cfg.SASL, ClientID: cfg.ClientID, MetadataTopics: cfg.Topics,
		MetadataTTL: 3 * time.Second, IdleTimeout: time.Minute,
	}
	r.client = &kafka.Client{Addr: r.addr, Transport: r.transport, Timeout: 15 * time.Second}
	return r, nil
}

// Run routes until ctx ends, then drains; with UntilEnd it returns when every partition assigned to it has
// reached its end. It returns an error if a partition had to stop or if nothing can be read.
func (r *Router) Run(ctx context.Context) error {
	defer r.transport.CloseIdleConnections()
	for range cap(r.workspaces) {
		r.workspaces <- r.newWorkspace()
	}
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	tick := time.NewTicker(r.cfg.GeoInterval)
	defer tick.Stop()
	go r.geo.watch(watching, r.now(), tick.C)
	if err := r.lookAround(ctx); err != nil {
		return err
	}
	if r.witness != nil {
		if err := r.witness.start(ctx); err != nil {
			return fmt.Errorf("begin the ledger: %w", err)
		}
		go r.witness.hourly(watching)
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: r.cfg.Group, Brokers: r.cfg.Brokers, Topics: r.cfg.Topics,
		Dialer: &kafka.Dialer{
			ClientID: r.cfg.ClientID, DialFunc: r.cfg.Dial, SASLMechanism: r.cfg.SASL, Timeout: 10 * time.Second,
		},
		GroupBalancers:    []kafka.GroupBalancer{laneBalancer{lanes: r.cfg.Lanes, topics: slices.Sorted(slices.Values(r.cfg.Topics)), owned: &r.owned, differs: r.memberDiffers}},
		HeartbeatInterval: r.cfg.SessionTimeout / 10, SessionTimeout: r.cfg.SessionTimeout,
		RebalanceTimeout: r.cfg.SessionTimeout, JoinGroupBackoff: 500 * time.Millisecond,
		StartOffset: r.cfg.Start, // partitions are watched by the fetcher: kafka-go's watcher ends every generation at once while a topic is missing
	})
	if err != nil {
		return fmt.Errorf("join group %s: %w", r.cfg.Group, err)
	}
	defer func() { _ = group.Close() }() // it never fails
	err = r.generations(ctx, group)
	if r.witness != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.DrainLimit)
		defer cancel()
		if failed := r.witness.stop(last); failed != nil {
			err = errors.Join(err, fmt.Errorf("end the ledger: %w", failed))
		}
	}
	return err
}

// Abort ends a drain at once: what is in flight is given up and will be delivered again.
func (r *Router) Abort() { r.abortOnce.Do(func() { close(r.abort) }) }

// generations works through one generation of the group after another.
func (r *Router) generations(ctx context.Context, group *kafka.ConsumerGroup) error {
	for ctx.Err() == nil {
		next, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.stats.rejoined()
				r.log.Warn("join group failed, retrying", "group", r.cfg.Group, "error", err)
				r.keptApart(fmt.Errorf("join group: %w", err))
			}
			continue
		}
		var last bool
		var halted []error
		done := make(chan struct{})
		next.Start(func(over context.Context) {
			defer close(done)
			var complete bool
			complete, halted, err = r.generation(ctx, over, next)
			if last = complete || ctx.Err() != nil; last {
				leave(group, over)
			}
		})
		<-done
		if last {
			return errors.Join(append(halted, err)...)
		}
		if err != nil {
			r.log.Warn("generation ended early, joining again", "error", err)
		}
	}
	return nil
}

// leave begins to leave the group, and is called before the work of a generation returns. Otherwise the group would
// join again first, for a generation that is not wanted and that disturbs all members twice.
func leave(group *kafka.ConsumerGroup, over context.Context) {
	go func() { _ = group.Close() }() // Run waits for it
	<-over.Done()
}

func (r *Router) generation(ctx, over context.Context, group *kafka.Generation) (complete bool, halted []error, err error) {
	g, err := r.begin(ctx, over, group)
	if err != nil && ctx.Err() != nil {
		return false, nil, nil // nothing has begun, and nothing is to
	}
	if err != nil {
		return false, nil, fmt.Errorf("begin generation %d: %w", group.ID, err)
	}
	owned := make([]int, 0, len(g.lanes))
	for id := range g.lanes {
		owned = append(owned, id)
	}
	slices.Sort(owned)
	r.owned.Store(&owned)
	r.apart.Store(nil)
	r.stats.generation(g)
	g.stopLacking()
	if len(owned) == 0 {
		r.log.Warn("nothing is assigned to this process: there are more processes than lanes with partitions, or its DEMARC_LANES or DEMARC_TOPICS are not the group's",
			"group", r.cfg.Group, "lanes_in_all", r.cfg.Lanes)
	}
	r.log.Info("assigned", "group", r.cfg.Group, "generation", group.ID, "partitions", len(g.fetcher.parts), "lanes", owned)
	complete, err = g.run(over.Done(), ctx.Done())
	if halted = g.halted(); !complete || len(halted) > 0 {
		return complete, halted, err
	}
	halted, err = r.atEnd(ctx)
	switch {
	case err == nil:
		return true, halted, nil
	case ctx.Err() != nil:
		return false, nil, nil
	}
	select { // no faster: each attempt disturbs the group
	case <-ctx.Done():
	case <-over.Done():
	case <-time.After(joinAgain):
	}
	return false, nil, err
}

// memberDiffers is told, in the group's leader, of a member that is left out.
func (r *Router) memberDiffers(member string, lanes int, topics []string) {
	r.stats.memberDiffers()
	r.log.Error("a member of the group gets nothing: all must have the same DEMARC_LANES and DEMARC_TOPICS",
		"member", member, "its_lanes", lanes, "our_lanes", r.cfg.Lanes, "its_topics", topics, "our_topics", r.cfg.Topics)
}

// begin tries until a generation can begin: joining again would disturb all members of the group, which a
// partition of ours without a leader does not concern.
func (r *Router) begin(ctx, over context.Context, group *kafka.Generation) (*generation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(over, cancel)()
	for failures := 0; ; failures++ {
		g, err := r.newGeneration(ctx, group)
		if err == nil || generationOver(err) {
			return g, err
		}
		r.log.Warn("generation cannot begin, trying again", "generation", group.ID, "error", err)
		r.keptApart(err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(backoff(failures)):
		}
	}
}

// lookAround notes which source partitions there are and, with UntilEnd, the last stable offset of each.
func (r *Router) lookAround(ctx context.Context) error {
	meta, err := r.client.Metadata(ctx, &kafka.MetadataRequest{Addr: r.addr, Topics: r.cfg.Topics})
	if err != nil {
		return fmt.Errorf("read source metadata: %w", err)
	}
	var all []record.TopicPartition
	for _, t := range meta.Topics {
		if t.Error != nil {
			return fmt.Errorf("read source metadata: topic %s: %w", t.Name, t.Error)
		}
		for _, p := range t.Partitions {
			tp := record.TopicPartition{Topic: t.Name, Partition: int32(p.ID)}
			all = append(all, tp)
			r.atStart[tp] = true
		}
	}
	if !r.cfg.UntilEnd {
		return nil
	}
	r.ends, err = listOffsets(ctx, r.client, r.addr, all, kafka.LastOffset)
	return err
}

// newFetcher bounds what may be in flight: window chunks of each partition, all together about Config.Memory.
func (r *Router) newFetcher(partitions int) *fetcher {
	share := r.cfg.Memory / max(1, partitions*r.cfg.Window)
	buffers := make(chan []byte, maxFetchBuffers)
	for range spareBuffers {
		buffers <- nil
	}
	return &fetcher{
		transport: r.transport, client: r.client, addr: r.addr, topics: r.cfg.Topics, log: r.log, stats: r.stats,
		window: r.cfg.Window, requestBytes: int32(r.cfg.FetchBytes),
		partitionBytes: int32(min(r.cfg.PartitionBytes, max(share, 64<<10))),
		responseLimit:  r.cfg.FetchBytes + r.cfg.MaxBatchBytes,
		buffers:        buffers, wake: map[int32]chan struct{}{},
		complete: make(chan struct{}), idle: make(chan struct{}), grown: make(chan struct{}),
	}
}

// One fetch response per source broker may be in memory, so that brokers without news do not hold up others, and
// a few that lanes still read.
const (
	spareBuffers    = 2
	maxFetchBuffers = 1024
)

func (r *Router) account(tp record.TopicPartition) *account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.accounts[tp]
	if a == nil {
		a = newAccount(tp)
		r.accounts[tp] = a
	}
	return a
}

// refine makes later generations read a partition in small segments.
func (r *Router) refine(tp record.TopicPartition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refined[tp] = true
	r.log.Warn("sinks have divided what they got into more pieces than an entry of the ledger can tell; it is delivered again, in smaller batches from now on: is max.message.bytes of a sink's topic very low?", "partition", tp.String())
}

func (r *Router) fine(tp record.TopicPartition) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refined[tp]
}

// Accounts says what became of every source partition that this process has consumed, in their order.
func (r *Router) Accounts() []Account {
	r.mu.Lock()
	list := make([]*account, 0, len(r.accounts))
	for _, a := range r.accounts {
		list = append(list, a)
	}
	r.mu.Unlock()
	reads := r.stats.reads()
	out := make([]Account, len(list))
	for i, a := range list {
		out[i] = a.snapshot()
		out[i].Assigned = reads[out[i].Source]
	}
	slices.SortFunc(out, func(a, b Account) int { return compareTP(a.Source, b.Source) })
	return out
}

// Apart says why this process has no share of the group's work to be at; empty once it has one, which may be none. A
// rebalance is no reason as long as it goes well.
func (r *Router) Apart() string {
	if why := r.apart.Load(); why != nil {
		return *why
	}
	return ""
}

func (r *Router) keptApart(err error) {
	why := err.Error()
	r.apart.Store(&why)
}

func (r *Router) sinkName(i int) string { return r.classifier.Policy().Sinks[i].Name }

// signalName is a signal's name as a header value; empty for -1.
func (r *Router) signalName(i int16) []byte {
	if i < 0 {
		return []byte{}
	}
	return r.stats.signalNames[i]
}
