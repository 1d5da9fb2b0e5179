package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"

	"github.com/demarc/demarc/ledger"
)

// refuser answers the transactions of one id with an error, for some times.
type refuser struct {
	inner kafka.RoundTripper
	id    string
	code  kafka.Error

	mu    sync.Mutex
	times int
}

func newRefuser(c *cluster, id string, code kafka.Error, times int) *refuser {
	r := &refuser{inner: c.rt, id: id, code: code, times: times}
	c.through(r)
	return r
}

func (r *refuser) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if add, ok := req.(*addpartitionstotxn.Request); ok && add.TransactionalID == r.id && r.hit() {
		res := &addpartitionstotxn.Response{}
		for _, t := range add.Topics {
			answer := addpartitionstotxn.ResponseResult{Name: t.Name}
			for _, p := range t.Partitions {
				answer.Results = append(answer.Results, addpartitionstotxn.ResponsePartition{PartitionIndex: p, ErrorCode: int16(r.code)})
			}
			res.Results = append(res.Results, answer)
		}
		return res, nil
	}
	return r.inner.RoundTrip(ctx, addr, req)
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
	newRefuser(a.cluster, a.lanes[1].producer.id, kafka.InvalidProducerIDMapping, 2)
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
