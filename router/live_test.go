package router

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestVitality(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asked := 0
	var answer error
	fresh := func() *vitality {
		asked, answer = 0, nil
		return newVitality(15*time.Second, start, func(context.Context) error { asked++; return answer })
	}
	ctx := context.Background()

	v := fresh()
	for i := range 10 {
		v.beat(start.Add(time.Duration(i) * 10 * time.Second))
	}
	if err := v.live(ctx, start.Add(100*time.Second)); err != nil || asked != 0 {
		t.Errorf("awake: %v, asked %d times", err, asked)
	}

	v = fresh()
	v.beat(start.Add(16 * time.Second)) // the beat comes first after the gap and must not hide it
	if err := v.live(ctx, start.Add(16*time.Second)); err != nil || asked != 1 {
		t.Errorf("after a gap the coordinator confirms: %v, asked %d times", err, asked)
	}

	v = fresh()
	answer = kafka.RebalanceInProgress
	if err := v.live(ctx, start.Add(time.Hour)); err != nil || asked != 1 {
		t.Errorf("a member of a group that rebalances is the owner until it joins again: %v", err)
	}

	v = fresh()
	answer = kafka.IllegalGeneration
	if err := v.live(ctx, start.Add(time.Hour)); !errors.Is(err, errFenced) || !errors.Is(err, kafka.IllegalGeneration) {
		t.Errorf("after a gap the coordinator refuses: %v", err)
	}
	answer = nil
	if err := v.live(ctx, start.Add(time.Hour)); err == nil || asked != 1 {
		t.Errorf("a refusal is final: %v, asked %d times", err, asked)
	}
	select {
	case <-v.lost:
	default:
		t.Error("a refusal does not end the generation")
	}

	v = fresh()
	if err := v.live(ctx, start.Add(-time.Hour)); err != nil || asked != 1 {
		t.Errorf("a clock set back is a gap: %v, asked %d times", err, asked)
	}

	v = fresh()
	over, cancel := context.WithCancel(ctx)
	v.confirm = func(context.Context) error {
		if asked++; asked == 2 {
			cancel()
		}
		return kafka.GroupCoordinatorNotAvailable
	}
	if err := v.live(over, start.Add(time.Hour)); !errors.Is(err, context.Canceled) || asked != 2 {
		t.Errorf("without an answer it goes on asking until it is called off: %v, asked %d times", err, asked)
	}
}
