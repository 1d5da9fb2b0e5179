package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/wire"
)

// producer writes transactions under one transactional id. It is used by one goroutine at a time.
//
// What is known of a transaction, and when: until EndTxn(commit) is sent it is not committed, and whatever fails ends
// it. From there on it is in doubt until an answer says which; the question is repeated, never guessed. A request whose
// answer did not come may still arrive at its broker late, and would then count for the next transaction: before that
// one, the producer's epoch is raised.
type producer struct {
	cluster *cluster
	topic   string
	id      string
	timeout time.Duration // after which the coordinator aborts an open transaction

	pid       int
	epoch     int
	sequences map[int32]int32 // of the next record, by partition
	stale     bool            // the epoch is to be raised, and what is open aborted, before the next transaction
	doubt     bool            // a commit was asked for, and not answered
	lost      error           // somebody has taken the id over
}

// writeLimit bounds the part of a transaction that can still be given up.
const writeLimit = 30 * time.Second

// abortLimit bounds the attempt to abort at once what failed. Others can read only to where it begins.
const abortLimit = 3 * time.Second

// ErrTakenOver says that another process writes under the same transactional id: the lane, or the log, is no longer
// this process's.
var ErrTakenOver = errors.New("another process has taken over")

// errAborted says that a transaction was not committed, for sure.
var errAborted = errors.New("the transaction was aborted")

func newProducer(c *cluster, topic, id string, timeout time.Duration) *producer {
	return &producer{cluster: c, topic: topic, id: id, timeout: timeout}
}

// take makes this process the owner of the id. Whoever was before cannot write any more, and what it had not committed
// is aborted, with markers in place, when take returns.
func (p *producer) take(ctx context.Context) error {
	p.lost, p.doubt = nil, false
	err := p.initialise(ctx, -1, -1)
	switch {
	case errors.Is(err, kafka.TransactionalIDAuthorizationFailed):
		return unfit("transactional id %s: %w; run: %s", p.id, err, p.cluster.aclCommand(p.topic))
	case err != nil:
		return fmt.Errorf("take over transactional id %s: %w", p.id, err)
	}
	return nil
}

// renew raises the epoch. It names the epoch before, so that it fails if somebody has taken the id over since.
func (p *producer) renew(ctx context.Context) error {
	err := p.cluster.persist(ctx, func(ctx context.Context) error { return p.end(ctx, false) })
	if err != nil && !errors.Is(err, kafka.InvalidTransactionState) && !errors.Is(err, kafka.InvalidProducerIDMapping) {
		return p.judge(fmt.Errorf("abort transaction: %w", err))
	}
	if err := p.initialise(ctx, p.pid, p.epoch); err != nil {
		return p.judge(fmt.Errorf("renew producer: %w", err))
	}
	return nil
}

func (p *producer) initialise(ctx context.Context, pid, epoch int) error {
	return p.cluster.persist(ctx, func(ctx context.Context) error {
		res, err := p.cluster.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{
			TransactionalID: p.id, TransactionTimeoutMs: int(p.timeout.Milliseconds()), ProducerID: pid, ProducerEpoch: epoch,
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		p.pid, p.epoch, p.sequences, p.stale = res.Producer.ProducerID, res.Producer.ProducerEpoch, map[int32]int32{}, false
		return nil
	})
}

// judge remembers that the id is lost.
func (p *producer) judge(err error) error {
	if errors.Is(err, kafka.InvalidProducerEpoch) || errors.Is(err, kafka.ProducerFenced) {
		p.lost = fmt.Errorf("write under transactional id %s: %w: %w", p.id, ErrTakenOver, err)
		return p.lost
	}
	return err
}

// write puts messages into the topic in one transaction. It returns nil once that is committed. After an error it is
// not, but for two: ErrTakenOver, and the end of ctx while the commit had no answer. Then only who reads the topic after
// a take of its own knows.
func (p *producer) write(ctx context.Context, list []message) error {
	if p.lost != nil {
		return p.lost
	}
	if p.doubt {
		if err := p.commit(ctx); err != nil && !errors.Is(err, errAborted) {
			return err
		}
	}
	out, err := batches(list)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if p.stale {
		if err := p.renew(limited); err != nil {
			return err
		}
	}
	if err := p.fill(limited, out); err != nil {
		p.stale = true
		if err := p.judge(err); p.lost != nil {
			return err
		}
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortLimit)
		defer cancel()
		return errors.Join(err, p.renew(short)) // what of it fails is tried again before the next transaction
	}
	return p.commit(ctx)
}

// fill begins a transaction and puts the batches into it: one of each partition at a time.
func (p *producer) fill(ctx context.Context, list []*batch) error {
	if err := p.begin(ctx, list); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	for len(list) > 0 {
		var round, rest []*batch
		seen := map[int32]bool{}
		for _, b := range list {
			if seen[b.partition] {
				rest = append(rest, b)
				continue
			}
			seen[b.partition] = true
			wire.SealTransactional(b.raw, int64(p.pid), int16(p.epoch), p.sequences[b.partition])
			round = append(round, b)
		}
		// A repetition sends the same bytes under the same sequence number: the broker takes them once.
		if err := p.cluster.persist(ctx, func(ctx context.Context) error { return p.produce(ctx, round) }); err != nil {
			return fmt.Errorf("produce to %s: %w", p.topic, err)
		}
		for _, b := range round {
			p.sequences[b.partition] = int32((int64(p.sequences[b.partition]) + int64(b.count)) & (1<<31 - 1)) // KIP-98
		}
		list = rest
	}
	return nil
}

func (p *producer) begin(ctx context.Context, list []*batch) error {
	var partitions []kafka.AddPartitionToTxn
	seen := map[int32]bool{}
	for _, b := range list {
		if !seen[b.partition] {
			seen[b.partition] = true
			partitions = append(partitions, kafka.AddPartitionToTxn{Partition: int(b.partition)})
		}
	}
	return p.cluster.persist(ctx, func(ctx context.Context) error {
		res, err := p.cluster.client.AddPartitionsToTxn(ctx, &kafka.AddPartitionsToTxnRequest{
			TransactionalID: p.id, ProducerID: p.pid, ProducerEpoch: p.epoch,
			Topics: map[string][]kafka.AddPartitionToTxn{p.topic: partitions},
		})
		if err != nil {
			return p.unanswered(err)
		}
		answers := res.Topics[p.topic]
		for _, a := range answers {
			// One partition's error is all of theirs: the others answer that nothing was attempted.
			if a.Error != nil && !errors.Is(a.Error, notAttempted) {
				return a.Error
			}
		}
		if len(answers) != len(partitions) {
			return fmt.Errorf("the coordinator answers for %d partitions instead of %d", len(answers), len(partitions))
		}
		return nil
	})
}

// notAttempted is Kafka's OPERATION_NOT_ATTEMPTED, for which kafka-go has another name.
const notAttempted = kafka.Error(55)

// unanswered notes that a request may still arrive.
func (p *producer) unanswered(err error) error {
	p.stale = true
	return err
}

// produce sends those of a round that the brokers do not have yet.
func (p *producer) produce(ctx context.Context, round []*batch) error {
	_, leaders, err := p.cluster.leaders(ctx, p.topic)
	if err != nil {
		return err
	}
	byBroker := map[int32][]*batch{}
	for _, b := range round {
		if b.done {
			continue
		}
		broker, ok := leaders[b.partition]
		if !ok {
			return fmt.Errorf("find the leader of partition %d: %w", b.partition, kafka.LeaderNotAvailable)
		}
		byBroker[broker] = append(byBroker[broker], b)
	}
	for broker, list := range byBroker {
		if err := p.produceTo(ctx, broker, list); err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) produceTo(ctx context.Context, broker int32, list []*batch) error {
	request := &wire.Produce{
		BrokerID: broker, ClientID: p.cluster.cfg.ClientID, Timeout: requestLimit / 2, TransactionalID: p.id,
	}
	for _, b := range list {
		request.Partitions = append(request.Partitions, wire.ProducePartition{Topic: p.topic, Partition: b.partition, Batch: b.raw})
	}
	m, err := p.cluster.rt.RoundTrip(ctx, p.cluster.addr, request)
	if err != nil {
		return p.unanswered(err)
	}
	for _, answer := range m.(*wire.ProduceResponse).Partitions {
		switch code := kafka.Error(answer.Error); code {
		case 0, kafka.DuplicateSequenceNumber:
			list[answer.Request].done = true
		default:
			err = errors.Join(err, fmt.Errorf("partition %d: %w", answer.Partition, code))
		}
	}
	return err
}

// commit asks for the commit of the open transaction until an answer says what became of it, or ctx ends: then it is in
// doubt, and the next write asks again before anything else.
func (p *producer) commit(ctx context.Context) error {
	p.doubt = true
	for failures := 0; ; failures++ {
		attempt, cancel := context.WithTimeout(ctx, requestLimit)
		err := p.end(attempt, true)
		cancel()
		_, told := errors.AsType[kafka.Error](err)
		switch {
		case err == nil:
			p.doubt = false
			return nil
		case errors.Is(err, kafka.InvalidTransactionState):
			p.doubt, p.stale = false, true
			return fmt.Errorf("commit transaction: %w: %w", errAborted, err)
		case p.judge(err) == p.lost && p.lost != nil:
			p.doubt = false
			return p.lost
		case errors.Is(err, kafka.InvalidProducerIDMapping): // it will never tell: who takes over reads the topic
			p.doubt, p.lost = false, fmt.Errorf("commit transaction: its coordinator has forgotten transactional id %s: %w: %w", p.id, ErrTakenOver, err)
			return p.lost
		case !told:
			p.stale = true
		}
		if failures+1 == tellAfter {
			p.cluster.log.Warn("a transaction of the ledger does not end, asking again", "transactional_id", p.id, "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("commit transaction: whether it is committed is not known: %w", errors.Join(ctx.Err(), err))
		case <-time.After(pause(failures)):
		}
	}
}

// end sends one EndTxn.
func (p *producer) end(ctx context.Context, commit bool) error {
	res, err := p.cluster.client.EndTxn(ctx, &kafka.EndTxnRequest{
		TransactionalID: p.id, ProducerID: p.pid, ProducerEpoch: p.epoch, Committed: commit,
	})
	if err != nil {
		return err
	}
	return res.Error
}
