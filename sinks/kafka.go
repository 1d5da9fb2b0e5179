package sinks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/demarc/demarc/internal/record"
)

// KafkaConfig says which topic a Kafka writes to and how the place is recognised. Durations of zero take their
// defaults.
type KafkaConfig struct {
	Name       string   // of the sink in the policy
	Brokers    []string // HOST:PORT, to begin with
	Topic      string
	Partitions int // how many the topic must have; 0: any
	Pins       Pins
	TLS        *tls.Config    // nil: plaintext; a client certificate for mTLS goes here
	SASL       sasl.Mechanism // nil: none
	ClientID   string

	DialTimeout     time.Duration // for a connection with all its handshakes; default 10 s
	RequestTimeout  time.Duration // for a request; the broker has half of it to reach its replicas; default 30 s
	RetryBackoff    time.Duration // pause after the first failed attempt, doubled with each; default 100 ms
	MaxRetryBackoff time.Duration // longest pause, and how old the known leaders of partitions may be; default 3 s

	Metrics *metrics.Set
	Log     *slog.Logger
}

// Kafka is a sink that keeps records in a topic. The records of source partition n go to partition n modulo the
// topic's count, as it was at Open; within a lane their order is kept, over retries too. Producers are
// idempotent and wait for all in-sync replicas.
type Kafka struct {
	cfg    KafkaConfig
	dialer *dialer
	*tracker
	proof
	meters *meters

	ctx    context.Context // ends with Close, or with an Open that finds another place
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // of producers and their attempts

	// Set by the Open that succeeds, read only once ready is closed.
	ready      chan struct{}
	transport  *kafka.Transport
	partitions int32
	verified   []atomic.Bool // by partition: a batch was read back and is what was sent

	mu        sync.Mutex
	clusterID string
	lanes     map[int]*producer // of the current generation of each lane
}

// NewKafka makes a sink that keeps what is delivered to it until Open succeeds.
func NewKafka(cfg KafkaConfig) *Kafka {
	defaults(&cfg.DialTimeout, 10*time.Second)
	defaults(&cfg.RequestTimeout, 30*time.Second)
	defaults(&cfg.RetryBackoff, 100*time.Millisecond)
	defaults(&cfg.MaxRetryBackoff, 3*time.Second)
	k := &Kafka{cfg: cfg, tracker: newTracker(cfg.Log, cfg.Name), ready: make(chan struct{}), lanes: map[int]*producer{}}
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
	k.meters = newMeters(cfg.Metrics, cfg.Name, k.State)
	k.dialer = &dialer{
		sink: cfg.Name, pins: cfg.Pins, tls: cfg.TLS, sasl: cfg.SASL, clientID: cfg.ClientID,
		stopped: k.stopCause, proof: &k.proof,
		mismatch: func(r *RefusedError) {
			k.meters.retries[CausePin].Inc()
			k.stop(r)
		},
	}
	return k
}

// Open checks the pins and the topic; it writes nothing. A *RefusedError, or several joined, says that the sink is
// not to be used as it stands; any other error that it could not be found out, a broker that is down for instance.
//
// It is called until it returns nil, one call after another, and not again. Until then the sink can be left to itself
// while others work: its state is opening, with the last error, and what is delivered waits. A sink that another
// place answers for (RefusedError.Pinned) is stopped, what waits is settled with that error, and no further Open
// dials. After Close the error is ErrClosed.
func (k *Kafka) Open(ctx context.Context) error {
	if cause := context.Cause(k.ctx); cause != nil { // the wrong place is not to be shown the password again
		return fmt.Errorf("open sink %s: %w", k.cfg.Name, cause)
	}
	found, err := k.preflight(ctx)
	if err != nil {
		return k.notOpened(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if cause := context.Cause(k.ctx); cause != nil { // closed meanwhile
		return fmt.Errorf("open sink %s: %w", k.cfg.Name, cause)
	}
	count := len(found.Topics[0].Partitions)
	k.clusterID = found.ClusterID
	k.partitions = int32(count)
	k.verified = make([]atomic.Bool, count)
	k.transport = &kafka.Transport{
		Dial:           k.dialer.Dial,
		DialTimeout:    k.cfg.DialTimeout,
		MetadataTTL:    k.cfg.MaxRetryBackoff,
		MetadataTopics: []string{k.cfg.Topic},
		ClientID:       k.cfg.ClientID,
		Context:        k.ctx,
	}
	k.proof.place(found.ClusterID)
	k.opened()
	close(k.ready)
	return nil
}

// notOpened notes why Open fails.
func (k *Kafka) notOpened(err error) error {
	refused, ok := errors.AsType[*RefusedError](err)
	switch {
	case !ok:
		err = fmt.Errorf("open sink %s: %w", k.cfg.Name, err)
	case refused.Pinned():
		k.meters.retries[CausePin].Inc()
		k.stop(refused)
		k.cancel(refused)
	}
	k.openFails(err)
	return err // a refusal names sink and check itself
}

// ClusterID gives the id that the cluster named at Open. It is empty before Open has succeeded, and with brokers
// before Kafka 0.10.1, which have none.
func (k *Kafka) ClusterID() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clusterID
}

// Deliver queues b, which the sink then owns until it settles it. The context is the lane's generation, the same
// in every call until the lane gets a new one: when it ends, what the lane has here is settled with its cause. A
// sink that is not open yet keeps the batches and sends them, in the order of the calls of each lane, once it is. A
// stopped sink settles everything with what it was stopped for, a closed one with ErrClosed.
func (k *Kafka) Deliver(ctx context.Context, lane int, b *record.Batch) {
	if err := checkBatch(b); err != nil {
		b.Settle(record.Receipt{}, err)
		return
	}
	if cause := k.stopCause(); cause != nil {
		b.Settle(record.Receipt{}, cause)
		return
	}
	k.mu.Lock()
	if cause := context.Cause(k.ctx); cause != nil {
		k.mu.Unlock()
		b.Settle(record.Receipt{}, cause)
		return
	}
	p := k.lanes[lane]
	if p == nil || p.generation != ctx.Done() {
		// A generation has producers of its own: what the one before left in doubt must not share its ids.
		p = newProducer(ctx, k)
		k.lanes[lane] = p
		k.group.Go(p.run)
	}
	k.mu.Unlock()
	p.deliver(b)
}

// Close settles what is left with ErrClosed and ends all connections.
func (k *Kafka) Close() error {
	k.mu.Lock()
	k.cancel(ErrClosed) // no producer and no transport is made from here on
	k.mu.Unlock()
	k.group.Wait()
	if k.transport != nil {
		k.transport.CloseIdleConnections()
	}
	return nil
}

// addr is where the transport begins; it goes on to the brokers that those name.
func (k *Kafka) addr() net.Addr { return kafka.TCP(k.cfg.Brokers...) }

// leaders gives the leading broker of every partition that has one, from the transport's memory.
func (k *Kafka) leaders(ctx context.Context) (map[int32]int32, error) {
	m, err := k.transport.RoundTrip(ctx, k.addr(), &metadata.Request{TopicNames: []string{k.cfg.Topic}})
	if err != nil {
		return nil, err
	}
	topics := m.(*metadata.Response).Topics
	i := slices.IndexFunc(topics, func(t metadata.ResponseTopic) bool { return t.Name == k.cfg.Topic })
	if i < 0 {
		return nil, kafka.UnknownTopicOrPartition
	}
	if code := topics[i].ErrorCode; code != 0 {
		return nil, kafka.Error(code)
	}
	leaders := make(map[int32]int32, len(topics[i].Partitions))
	for _, p := range topics[i].Partitions {
		if p.LeaderID >= 0 {
			leaders[p.PartitionIndex] = p.LeaderID
		}
	}
	return leaders, nil
}

// newProducerID asks a broker for an id under which nothing has been written yet.
func (k *Kafka) newProducerID(ctx context.Context, broker int32) (identity, error) {
	m, err := k.transport.RoundTrip(ctx, k.addr(), &initProducer{broker: broker, clientID: k.cfg.ClientID})
	if err != nil {
		return identity{}, fmt.Errorf("get producer id: %w", err)
	}
	answer := m.(*initproducerid.Response)
	if answer.ErrorCode != 0 {
		return identity{}, fmt.Errorf("get producer id: %w", kafka.Error(answer.ErrorCode))
	}
	return identity{known: true, id: answer.ProducerID, epoch: answer.ProducerEpoch}, nil
}
