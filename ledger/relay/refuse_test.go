package relay

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"github.com/demarc/demarc/ledger"
)

// refuser answers some requests of one transactional id with an error, for some times.
type refuser struct {
	inner kafka.RoundTripper
	key   protocol.ApiKey
	id    string
	code  kafka.Error

	mu    sync.Mutex
	times int
}

func newRefuser(c *cluster, key protocol.ApiKey, id string, code kafka.Error, times int) *refuser {
	r := &refuser{inner: c.rt, key: key, id: id, code: code, times: times}
	c.through(r)
	return r
}

func (r *refuser) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if req.ApiKey() != r.key {
		return r.inner.RoundTrip(ctx, addr, req)
	}
	switch req := req.(type) {
	case *initproducerid.Request:
		if req.TransactionalID == r.id && r.hit() {
			return &initproducerid.Response{ErrorCode: int16(r.code)}, nil
		}
	case *endtxn.Request:
		if req.TransactionalID == r.id && r.hit() {
			return &endtxn.Response{ErrorCode: int16(r.code)}, nil
		}
	case *addpartitionstotxn.Request:
		if req.TransactionalID == r.id && r.hit() {
			return refuseAll(req, r.code), nil
		}
	}
	return r.inner.RoundTrip(ctx, addr, req)
}

func refuseAll(req *addpartitionstotxn.Request, code kafka.Error) *addpartitionstotxn.Response {
	res := &addpartitionstotxn.Response{}
	for _, t := range req.Topics {
		answer := addpartitionstotxn.ResponseResult{Name: t.Name}
		for _, p := range t.Partitions {
			answer.Results = append(answer.Results, addpartitionstotxn.ResponsePartition{PartitionIndex: p, ErrorCode: int16(code)})
		}
		res.Results = append(res.Results, answer)
	}
	return res
}

func (r *refuser) hit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times--
	return r.times >= 0
}

// TestOneLaneFailsAndAllMayComeAgain: a router appends what all its lanes have at once. If one lane fails, as it does
// after a week without records, when its transactional id has expired, the same call is repeated: the others, which were
// committed, are not refused for it and not there twice.
func TestOneLaneFailsAndAllMayComeAgain(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0), stream(1), stream(2))
	newRefuser(a.cluster, protocol.AddPartitionsToTxn, a.lanes[1].producer.id, kafka.InvalidProducerIDMapping, 2)
	list := []ledger.Entry{span(t, 0, 0, 10), span(t, 1, 0, 10), span(t, 2, 0, 10), span(t, 0, 10, 20)}
	for range 2 {
		if err := a.Append(context60(t), list); !errors.Is(err, kafka.InvalidProducerIDMapping) || errors.Is(err, ledger.ErrRefused) {
			t.Fatalf("Append = %v", err)
		}
	}
	mustAppend(t, a, list...)
	mustAppend(t, a, span(t, 0, 20, 30), span(t, 1, 10, 20), span(t, 2, 10, 20))
	if got, want := outline(t, b.Brokers()), "0: 0-10\n0: 10-20\n0: 20-30\n1: 0-10\n1: 10-20\n2: 0-10\n2: 10-20\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for n, l := range a.lanes {
		if len(l.frontier.there) > 0 {
			t.Errorf("lane %d remembers %d entries that have come again", n, len(l.frontier.there))
		}
	}
}

// TestOneLaneIsTakenOver, and what the others had in the same call is as good as before.
func TestOneLaneIsTakenOver(t *testing.T) {
	b := newBroker(t)
	a, heir := newAppender(t, b.Brokers()), newAppender(t, b.Brokers())
	mustResume(t, a, stream(0), stream(1))
	mustResume(t, heir, stream(1))
	mine, lost := span(t, 0, 0, 10), span(t, 1, 0, 10)
	if err := a.Append(context60(t), []ledger.Entry{mine, lost}); !errors.Is(err, ledger.ErrTakenOver) {
		t.Fatalf("Append = %v", err)
	}
	mustAppend(t, a, mine) // as a router does to find out whose entries it were
	if got := outline(t, b.Brokers()); got != "0: 0-10\n" {
		t.Errorf("got\n%s", got)
	}
}

// TestACoordinatorThatHasForgotten a transaction that was to be committed will never tell what became of it: who reads
// the topic again knows.
func TestACoordinatorThatHasForgotten(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0))
	newRefuser(a.cluster, protocol.EndTxn, a.lanes[0].producer.id, kafka.InvalidProducerIDMapping, 1_000_000)
	e := span(t, 0, 0, 10)
	if err := a.Append(context60(t), []ledger.Entry{e}); !errors.Is(err, ledger.ErrTakenOver) {
		t.Fatalf("Append = %v", err)
	}
	a.cluster.through(a.cluster.rt.(*refuser).inner)
	if covered := mustResume(t, a, stream(0)); len(covered) != 0 {
		t.Errorf("covered %v", covered)
	}
	mustAppend(t, a, e)
	if got := outline(t, b.Brokers()); got != "0: 0-10\n" {
		t.Errorf("got\n%s", got)
	}
}

// TestARightThatIsMissing is told with what to run.
func TestARightThatIsMissing(t *testing.T) {
	b := newBroker(t)
	g := newGuard(newCluster(config(b.Brokers()), checkpoints), checkpoints)
	newRefuser(g.cluster, protocol.InitProducerId, "demarc-sequencer-"+origin, kafka.TransactionalIDAuthorizationFailed, 1)
	if _, err := g.enter(context60(t), origin, plainTree(0)); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "kafka-acls.sh") {
		t.Errorf("enter = %v", err)
	}
}
