package sinks

import (
	"log/slog"
	"sync"
	"time"
)

// Status is what a sink is doing. The enumeration is closed: metric labels and /readyz read it from here.
type Status uint8

const (
	Opening  Status = iota // not opened yet: batches wait
	Ready                  // every batch is being taken
	Retrying               // down, or a part of it is: batches wait and are tried again; a stored batch ends it, giving up does not
	Stopped                // not the place that the policy names: writes nothing until demarc is started again
	statusCount
)

var statusNames = [statusCount]string{"opening", "ready", "retrying", "stopped"}

func (s Status) String() string { return statusNames[s] }

// State is what a sink is doing and why.
type State struct {
	Status Status
	Err    string    // the last error of an opening, retrying or stopped sink, else empty
	Since  time.Time // when Status began
}

// tracker holds a sink's state and says each change of it once, in the log and by a gauge.
type tracker struct {
	log *slog.Logger

	mu      sync.Mutex
	state   State
	failing int   // streams that wait for their next attempt after a failed one
	cause   error // of stop
}

func newTracker(log *slog.Logger, sink string) *tracker {
	return &tracker{log: log.With("sink", sink), state: State{Since: time.Now()}}
}

func (t *tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

func (t *tracker) opened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Status == Opening {
		t.set(Ready, nil)
	}
}

// openFails keeps the text of the error. Who calls Open again says it in the log.
func (t *tracker) openFails(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Status == Opening {
		t.state.Err = err.Error()
	}
}

// fails counts one more failing stream; again keeps the text of the error current for a stream already counted.
func (t *tracker) fails(err error, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !again {
		t.failing++
	}
	if t.state.Status == Stopped {
		return
	}
	if t.state.Status == Retrying {
		t.state.Err = err.Error()
		return
	}
	t.set(Retrying, err)
	t.log.Warn("sink is down, its batches wait", "error", err)
}

// stored says that a batch is durable; failed, that its stream was counted by fails. Nothing else shows that a sink
// is back, and it is not while another stream fails.
func (t *tracker) stored(failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if failed {
		t.failing--
	}
	if t.failing > 0 || t.state.Status != Retrying {
		return
	}
	down := time.Since(t.state.Since)
	t.set(Ready, nil)
	t.log.Info("sink is back", "after", down.Round(time.Millisecond))
}

// givenUp ends the count of a failing stream of which nothing is tried any more. Whether the sink is still down is
// not known by that: the state and its error stay until something is stored.
func (t *tracker) givenUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing--
}

// stop ends all writing for good. Only the first cause is kept and logged.
func (t *tracker) stop(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause != nil {
		return
	}
	t.cause = cause
	t.set(Stopped, cause)
	t.log.Error("sink is stopped, nothing more is written to it", "error", cause)
}

// stopCause is what the sink was stopped with, nil while it is not stopped.
func (t *tracker) stopCause() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cause
}

func (t *tracker) set(s Status, err error) {
	t.state = State{Status: s, Since: time.Now()}
	if err != nil {
		t.state.Err = err.Error()
	}
}
