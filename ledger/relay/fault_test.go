package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// calls are the external calls of an Appender.
var calls = map[protocol.ApiKey]string{
	protocol.Metadata: "Metadata", protocol.InitProducerId: "InitProducerID", protocol.AddPartitionsToTxn: "AddPartitionsToTxn",
	protocol.Produce: "Produce", protocol.EndTxn: "EndTxn", protocol.ListOffsets: "ListOffsets", protocol.Fetch: "Fetch",
}

// faulty stands between a cluster and its transport. Each call of one name fails for some times.
type faulty struct {
	inner kafka.RoundTripper

	mu     sync.Mutex
	name   string
	times  int
	reach  bool // the broker is asked all the same
	failed int
}

var errCut = errors.New("connection reset by a test")

func newFaulty(c *cluster) *faulty {
	f := &faulty{inner: c.rt}
	c.through(f)
	return f
}

func (f *faulty) fail(name string, times int, reach bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name, f.times, f.reach, f.failed = name, times, reach, 0
}

func (f *faulty) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	f.mu.Lock()
	hit := f.times > 0 && calls[req.ApiKey()] == f.name
	reach := f.reach
	if hit {
		f.times--
		f.failed++
	}
	f.mu.Unlock()
	if hit && !reach {
		return nil, errCut
	}
	res, err := f.inner.RoundTrip(ctx, addr, req)
	if hit {
		return nil, errors.Join(errCut, err)
	}
	return res, err
}

// TestEachCallFails: whatever call gets no answer, reached its broker or not, once or twice, each entry is in the topic
// once, and ranges tile.
func TestEachCallFails(t *testing.T) {
	for _, name := range calls {
		for _, reach := range []bool{false, true} {
			for times := 1; times <= 2; times++ {
				t.Run(fmt.Sprintf("%s reached=%v times=%d", name, reach, times), func(t *testing.T) {
					b := newBroker(t)
					a := newAppender(t, b.Brokers())
					f := newFaulty(a.cluster)
					f.fail(name, times, reach)
					mustResume(t, a, stream(0), stream(4))
					mustAppend(t, a, preamble(t)...)
					mustAppend(t, a, span(t, 0, 0, 10), span(t, 4, 0, 3))
					mustAppend(t, a, span(t, 0, 10, 20), span(t, 0, 20, 30))
					if got := mustResume(t, a, stream(0), stream(4)); got[stream(0)] != 30 || got[stream(4)] != 3 {
						t.Errorf("covered %v", got)
					}
					mustAppend(t, a, span(t, 0, 30, 31))
					if got := outline(t, b.Brokers()); got != "0: 0-10\n0: 10-20\n0: 20-30\n0: 30-31\n4: 0-3\n" {
						t.Errorf("got\n%s", got)
					}
					if f.failed != times {
						t.Errorf("%d calls failed, want %d", f.failed, times)
					}
				})
			}
		}
	}
}

// gate holds calls of one name until it is released.
type gate struct {
	inner   kafka.RoundTripper
	mu      sync.Mutex
	name    string
	open    chan struct{}
	arrived chan struct{}
	once    sync.Once
}

func newGate(c *cluster) *gate {
	g := &gate{inner: c.rt, open: make(chan struct{}), arrived: make(chan struct{})}
	c.through(g)
	return g
}

func (g *gate) hold(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.name = name
}

func (g *gate) release() { close(g.open) }

func (g *gate) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	g.mu.Lock()
	hold := calls[req.ApiKey()] == g.name
	g.mu.Unlock()
	if hold {
		g.once.Do(func() { close(g.arrived) })
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.inner.RoundTrip(ctx, addr, req)
}

// cutter answers some calls, and none after them.
type cutter struct {
	inner kafka.RoundTripper
	mu    sync.Mutex
	left  int
	gone  bool
	cut   chan struct{} // closed by the first call that is not answered
}

func (c *cutter) was() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *cutter) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	c.mu.Lock()
	c.left--
	if c.left < 0 {
		if !c.gone {
			c.gone = true
			close(c.cut)
		}
		c.mu.Unlock()
		return nil, errCut
	}
	c.mu.Unlock()
	return c.inner.RoundTrip(ctx, addr, req)
}
