package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// vitality is the fence of a process that may have been asleep. A paused process (a stopped container, a
// suspended machine) wakes with work in its hands that may belong to another by now. When the clock shows a gap
// of half the session timeout, nothing is produced until the group's coordinator has confirmed this
// generation. What was already on the wire when the process was paused may still land.
type vitality struct {
	limit   time.Duration
	confirm func(context.Context) error // asks the coordinator
	lost    chan struct{}               // closed when the coordinator says that the generation is over

	mu      sync.Mutex
	last    time.Time
	suspect bool
	err     error // the generation is over
}

// errFenced says that this process no longer owns what it has in its hands.
var errFenced = errors.New("the group's coordinator no longer knows this generation")

func newVitality(limit time.Duration, now time.Time, confirm func(context.Context) error) *vitality {
	return &vitality{limit: limit, last: now.Round(0), confirm: confirm, lost: make(chan struct{})}
}

// beat is called often, by one goroutine. It must not hide a gap that it finds.
func (v *vitality) beat(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.see(now)
}

// see uses the wall clock: the monotonic one stands still while a machine is suspended. A clock set by hand
// only costs a question to the coordinator.
func (v *vitality) see(now time.Time) {
	now = now.Round(0)
	if gap := now.Sub(v.last); gap > v.limit || gap < -v.limit {
		v.suspect = true
	}
	if !v.suspect {
		v.last = now
	}
}

// live reports whether this process may produce. If there is doubt it asks the coordinator until that answers
// or ctx ends. An error of the coordinator's is final.
func (v *vitality) live(ctx context.Context, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.see(now)
	for v.suspect && v.err == nil {
		err := v.confirm(ctx)
		switch {
		case err == nil || errors.Is(err, kafka.RebalanceInProgress): // still a member, and the owner until it joins again
			v.suspect, v.last = false, time.Now().Round(0)
		case generationOver(err):
			v.over(err)
		default: // no coordinator, or none that is ready
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(confirmAgain):
			}
		}
	}
	return v.err
}

// lose ends the generation: somebody other than the coordinator says that what it owns is another's.
func (v *vitality) lose(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over(err)
}

// over notes why the generation is over, once. The lock is held.
func (v *vitality) over(err error) {
	if v.err == nil {
		v.err = fmt.Errorf("%w: %w", errFenced, err)
		close(v.lost)
	}
}

// confirmAgain is how long to wait for a coordinator that does not answer.
const confirmAgain = 200 * time.Millisecond
