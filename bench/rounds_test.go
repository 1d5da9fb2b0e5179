//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

func TestRunGoesOnAfterAFailure(t *testing.T) {
	b, c := embedded(t)
	good, calls := c.subject.command, 0
	bad := *c
	bad.subject = &subject{name: "bad", command: func(string, *run) (*exec.Cmd, error) { return exec.Command("false"), nil }}
	c.subject = &subject{name: "floor", command: func(binary string, r *run) (*exec.Cmd, error) {
		if calls++; calls == 1 {
			return exec.Command("false"), nil
		}
		return good(binary, r)
	}}
	if err := b.run(t.Context(), []series{{points: []point{{"once", *c}, {"always", bad}}}}, nil); err != nil {
		t.Fatal(err)
	}
	if len(b.runs[c.key()]) != 1 || len(b.runs[bad.key()]) != 0 {
		t.Errorf("there are %d runs of the one that failed once, %d of the one that always fails", len(b.runs[c.key()]), len(b.runs[bad.key()]))
	}
	if len(b.failed) != 1+attempts {
		t.Errorf("told of %q", b.failed)
	}
}

func TestRunEndsWhenAllFail(t *testing.T) {
	b := newBench(settings{}, io.Discard)
	always := errors.New("no broker")
	for i := range hopeless {
		err := b.try(t.Context(), "a cell", func(int) error { return always })
		if errors.Is(err, always) != (i == hopeless-1) {
			t.Errorf("after %d cells: %v", i+1, err)
		}
	}
	if len(b.failed) != hopeless*attempts {
		t.Errorf("told of %q", b.failed)
	}
}

func TestTryEndsWithItsContext(t *testing.T) {
	b := newBench(settings{}, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tried := 0
	err := b.try(ctx, "a cell", func(int) error { tried++; return ctx.Err() })
	if !errors.Is(err, context.Canceled) || tried != 1 || len(b.failed) != 0 {
		t.Errorf("tried %d times, %v, told of %q", tried, err, b.failed)
	}
	if err := b.try(t.Context(), "a cell", func(int) error { return fmt.Errorf("%w: no such flag", errSkipped) }); !errors.Is(err, errSkipped) {
		t.Errorf("what is skipped: %v", err)
	}
}

func TestFailuresAreBrief(t *testing.T) {
	b := newBench(settings{}, io.Discard)
	b.dir = "/somewhere/bench-1"
	got := b.brief(errors.New("open /somewhere/bench-1/x | y: no\nmore"))
	if got != "open .../x / y: no" {
		t.Errorf("got %q", got)
	}
	if n := len(b.brief(errors.New(strings.Repeat("long ", 100)))); n > 200 {
		t.Errorf("%d bytes", n)
	}
}
