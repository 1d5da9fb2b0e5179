package sinks

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// absent is a sink whose broker is down when the process starts, after one Open and the delivery of some batches.
type absent struct {
	*Kafka
	port    int
	waiting []*record.Batch // a, b, c of source partition 0 in lane 0; x, y of 1 in lane 1
	given   *record.Batch   // of a generation that ends first
	give    func(cause error)
}

func newAbsent(t *testing.T) *absent {
	t.Helper()
	c := newCluster(t)
	addr := c.ListenAddrs()[0]
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	a := &absent{Kafka: NewKafka(kafkaConfig(addr)), port: atoi(t, port)}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	a.failsToOpen(t)
	ended, end := context.WithCancelCause(t.Context())
	a.given, a.give = newBatch(t, from(2), wire.None, "of an ended generation"), end
	a.Deliver(ended, 2, a.given)
	for _, v := range []struct {
		lane  int
		value string
	}{{0, "a"}, {1, "x"}, {0, "b"}, {1, "y"}, {0, "c"}} {
		b := newBatch(t, from(int32(v.lane)), wire.Zstd, v.value)
		a.Deliver(t.Context(), v.lane, b)
		a.waiting = append(a.waiting, b)
	}
	return a
}

func (a *absent) failsToOpen(t *testing.T) {
	t.Helper()
	err := a.Open(t.Context())
	if err == nil || refusedFor(err) != nil {
		t.Fatalf("Open = %v, want an error that is no refusal", err)
	}
	if s := a.State(); s.Status != Opening || s.Err != err.Error() {
		t.Errorf("state = %+v, want opening with %v", s, err)
	}
	if id := a.ClusterID(); id != "" {
		t.Errorf("cluster id = %q before Open has succeeded", id)
	}
}

func (a *absent) allSettledWith(t *testing.T, cause error) {
	t.Helper()
	late := newBatch(t, from(0), wire.None, "late")
	a.Deliver(t.Context(), 0, late)
	for _, b := range append(a.waiting, late) {
		if s := outcome(t, b); !errors.Is(s.err, cause) {
			t.Errorf("a batch of %v is settled with %v, want %v", b.Source, s.err, cause)
		}
	}
}

// TestSinkIsDownAtTheStart: the batches of a sink that cannot be opened wait for what becomes of it.
func TestSinkIsDownAtTheStart(t *testing.T) {
	t.Run("opened later", func(t *testing.T) {
		a := newAbsent(t)
		over := errors.New("over")
		a.give(over)
		if s := outcome(t, a.given); !errors.Is(s.err, over) {
			t.Errorf("a batch of an ended generation is settled with %v, want %v", s.err, over)
		}
		a.failsToOpen(t)
		c := newCluster(t, kfake.Ports(a.port))
		if err := a.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := a.State(); s.Status != Ready || s.Err != "" || a.ClusterID() != clusterID {
			t.Errorf("state = %+v, cluster id = %q", s, a.ClusterID())
		}
		after := newBatch(t, from(0), wire.Zstd, "d")
		a.Deliver(t.Context(), 0, after)
		for _, b := range append(a.waiting, after) {
			mustStore(t, b)
		}
		got := consume(t, c)
		if diff := cmp.Diff([][]string{{"a", "b", "c", "d"}, {"x", "y"}}, [][]string{values(got[0]), values(got[1])}); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
	t.Run("another place", func(t *testing.T) {
		a := newAbsent(t)
		c := newCluster(t, kfake.Ports(a.port), kfake.ClusterID("cluster-eu"))
		err := a.Open(t.Context())
		if diff := cmp.Diff([]Check{CheckClusterID}, refusedFor(err)); diff != "" {
			t.Fatalf("Open = %v (-want +got):\n%s", err, diff)
		}
		a.allSettledWith(t, err)
		c.Close() // a sink that dialled again would find nobody
		if again := a.Open(t.Context()); !errors.Is(again, err) {
			t.Errorf("Open of a stopped sink = %v, want %v", again, err)
		}
		if s := a.State(); s.Status != Stopped || s.Err != err.Error() || a.ClusterID() != "" {
			t.Errorf("state = %+v, cluster id = %q", s, a.ClusterID())
		}
	})
	t.Run("closed", func(t *testing.T) {
		a := newAbsent(t)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a.allSettledWith(t, ErrClosed)
		if err := a.Open(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Open of a closed sink = %v", err)
		}
	})
}

// TestOpenAndCloseAtOnce: what is delivered meanwhile is settled, whoever is first.
func TestOpenAndCloseAtOnce(t *testing.T) {
	c := newCluster(t)
	for range 20 {
		k := NewKafka(kafkaConfig(c.ListenAddrs()...))
		b := newBatch(t, from(0), wire.None, "a")
		k.Deliver(t.Context(), 0, b)
		opened := make(chan error, 1)
		go func() { opened <- k.Open(t.Context()) }()
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if err := <-opened; err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("Open = %v", err)
		}
		if s := outcome(t, b); s.err != nil && !errors.Is(s.err, ErrClosed) {
			t.Errorf("settled with %v", s.err)
		}
	}
}
