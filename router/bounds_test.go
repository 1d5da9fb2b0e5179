package router

import (
	"context"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/wire"
)

func TestUntilEndReachesAnEndInsideACompactedRange(t *testing.T) {
	for name, c := range map[string]struct {
		raw               []byte
		delivered, absent int64
	}{
		"nothing is left before it": {rawBatch(t, 20, 10, wire.None, nil), 0, 5},
		"two records are left":      {slices.Concat(rawBatch(t, 0, 2, wire.None, nil), rawBatch(t, 20, 10, wire.None, nil)), 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			for i := range 5 {
				b.produceToAll(1, i)
			}
			b.serveBatchesAt(map[int64][]byte{0: c.raw, 2: rawBatch(t, 20, 10, wire.None, nil)})
			r := b.router(b.config())
			if err := b.run(b.context(), r); err != nil {
				t.Fatal(err)
			}
			if a := r.Accounts()[0]; a.Consumed != 5 || a.Delivered != c.delivered || a.Absent != c.absent {
				t.Errorf("account %+v", a)
			}
			if at := b.committed()[0]; at != 5 {
				t.Errorf("committed %d", at)
			}
		})
	}
}

func TestStartLatestLosesNothingWhenTheFirstRecordsCouldNotBeDelivered(t *testing.T) {
	b := newBench(t, 1)
	for i := range 5 {
		b.produceToAll(1, i)
	}
	b.sinks[us].setDown(true)
	cfg := b.config()
	cfg.UntilEnd, cfg.Start = false, kafka.LastOffset
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "its partition", func() bool { return r.stats.assigned() == 1 })
	for i := 5; i < 8; i++ {
		b.produceToAll(1, i)
	}
	b.sinks[us].until(t, "a record at the sink that is down", func(m *memory) bool { return len(m.waiting) > 0 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.sinks[us].setDown(false)
	cfg.UntilEnd = true
	if err := b.run(b.context(), b.router(cfg)); err != nil {
		t.Fatal(err)
	}
	if got := keys(b.sinks[us].snapshot(), 0); !slices.Equal(got, []string{"0/5", "0/6", "0/7"}) {
		t.Errorf("the sink holds %v", got)
	}
}
