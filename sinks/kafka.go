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
	meters *meters

	// Set by Open, read only from then on.
	transport  *kafka.Transport
	partitions int32
	verified   []atomic.Bool // by partition: a batch was read back and is what was sent

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	group  sync.WaitGroup // of producers and their attempts

	mu    sync.Mutex
	open  bool
	lanes map[int]*producer // of the current generation of each lane
}

// NewKafka makes a sink that does nothing before Open.
func NewKafka(cfg KafkaConfig) *Kafka {
	defaults(&cfg.DialTimeout, 10*time.Second)
	defaults(&cfg.RequestTimeout, 30*time.Second)
	defaults(&cfg.RetryBackoff, 100*time.Millisecond)
	defaults(&cfg.MaxRetryBackoff, 3*time.Second)
	k := &Kafka{cfg: cfg, tracker: newTracker(cfg.Log, cfg.Name), lanes: map[int]*producer{}}
	k.meters = newMeters(cfg.Metrics, cfg.Name, k.State)
	k.dialer = &dialer{
		sink: cfg.Name, pins: cfg.Pins, tls: cfg.TLS, sasl: cfg.SASL, clientID: cfg.ClientID,
		stopped: k.stopCause,
		mismatch: func(r *RefusedError) {
			k.meters.retries[CausePin].Inc()
			k.stop(r)
		},
	}
	return k
}

// Open checks the pins and the topic. A *RefusedError, or several joined, says that the sink is not to be used
// as it stands; any other error that it could not be found out, and Open may be called again. Nothing is written. A
// sink that another place answers for (RefusedError.Pinned) is stopped: it can be left so while others work.
func (k *Kafka) Open(ctx context.Context) error {
	count, err := k.preflight(ctx)
	if err != nil {
		if r, ok := errors.AsType[*RefusedError](err); ok {
			if r.Pinned() {
				k.meters.retries[CausePin].Inc()
				k.stop(r)
			}
			return err // names sink and check
		}
		return fmt.Errorf("open sink %s: %w", k.cfg.Name, err)
	}
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
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
	k.mu.Lock()
	k.open = true
	k.mu.Unlock()
	k.opened()
	return nil
}

// Deliver queues b, which the sink then owns until it settles it. The context is the lane's generation, the same
// in every call until the lane gets a new one: when it ends, what the lane has here is settled with its cause. A
// stopped sink settles everything with what it was stopped for.
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
	if !k.open {
		k.mu.Unlock()
		b.Settle(record.Receipt{}, ErrClosed)
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
	opened := k.open
	k.open = false
	k.mu.Unlock()
	if !opened {
		return nil
	}
	k.cancel(ErrClosed)
	k.group.Wait()
	k.transport.CloseIdleConnections()
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
