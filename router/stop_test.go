package router

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAbortEndsADrainAndMayBeCalledTwice(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	b.sinks[us].setDown(true)
	cfg := b.config()
	cfg.UntilEnd, cfg.SessionTimeout, cfg.DrainLimit = false, 5*time.Minute, 4*time.Minute
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	b.sinks[us].until(t, "a batch", func(m *memory) bool { return len(m.waiting) == 1 })
	cancel()
	r.Abort()
	r.Abort()
	if err := <-done; !errors.Is(err, ErrGivenUp) {
		t.Errorf("Run = %v", err)
	}
	checkAccounts(t, r, 0)
}

func TestStopLeavesTheGroupWithoutJoiningItAgain(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	var joins atomic.Int32
	b.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		joins.Add(1)
		return nil, nil, false
	})
	cfg := b.config()
	cfg.UntilEnd = false
	ctx, cancel := context.WithCancel(b.context())
	done := make(chan error)
	go func() { done <- b.router(cfg).Run(ctx) }()
	waitFor(t, "the commit", func() bool { return b.committed()[0] == 8 })
	before := joins.Load()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := joins.Load() - before; n > 0 {
		t.Errorf("joined the group %d times while stopping: each disturbs all members", n)
	}
}

func TestStopSaysThatTheLastCommitFailed(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	cfg := b.config()
	cfg.UntilEnd = false
	cfg.CommitInterval = time.Hour
	ctx, cancel := context.WithCancel(b.context())
	done := make(chan error)
	r := b.router(cfg)
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "the records to settle", func() bool { a := r.Accounts(); return len(a) == 1 && a[0].Position == 8 })
	b.refuseCommitOnce(kafka.UnknownMemberId)
	cancel()
	if err := <-done; !errors.Is(err, kafka.UnknownMemberId) {
		t.Errorf("Run = %v: 8 delivered records are not committed", err)
	}
}

// TestApartSaysWhyThereIsNoWork: a group that ends a generation and then takes nobody in is a reason not to be ready,
// until it does again.
func TestApartSaysWhyThereIsNoWork(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	var down atomic.Bool
	whileDown := func(key int16, answer func(kmsg.Request) kmsg.Response) {
		b.cluster.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			if !down.Load() {
				return nil, nil, false
			}
			return answer(request), nil, true
		})
	}
	whileDown(int16(kmsg.Heartbeat), func(request kmsg.Request) kmsg.Response {
		res := request.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = int16(kafka.RebalanceInProgress)
		return res
	})
	whileDown(int16(kmsg.JoinGroup), func(request kmsg.Request) kmsg.Response {
		res := request.ResponseKind().(*kmsg.JoinGroupResponse)
		res.ErrorCode = int16(kafka.GroupCoordinatorNotAvailable)
		return res
	})
	cfg := b.config()
	cfg.UntilEnd = false
	ctx, cancel := context.WithCancel(b.context())
	done := make(chan error)
	r := b.router(cfg)
	if why := r.Apart(); !strings.Contains(why, "not answered yet") {
		t.Errorf("before the start: %q", why)
	}
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "the commit", func() bool { return b.committed()[0] == 8 })
	if why := r.Apart(); why != "" {
		t.Errorf("at work: %q", why)
	}
	down.Store(true)
	waitFor(t, "a reason", func() bool { return strings.Contains(r.Apart(), "join group") })
	down.Store(false)
	waitFor(t, "work again", func() bool { return r.Apart() == "" })
	b.produce(mixed(0, 8))
	waitFor(t, "the next commit", func() bool { return b.committed()[0] > 8 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
