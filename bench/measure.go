//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is what one run cost.
type result struct {
	cost    float64       // microseconds of processor time per record in the steady state
	rate    float64       // records per second in the steady state
	used    time.Duration // processor time of the whole process, from its start to its end
	wall    time.Duration // of the same
	memory  int64         // most resident, bytes
	mallocs float64       // allocations per record; -1: not known
	records int64
	ledger  int64   // bytes of all entries; 0 without one
	sinks   []int64 // records of each sink, in the order of the routing's topics
	stored  int64   // bytes of batches at the sinks
	source  int64   // and in the source topic; 0: not known
}

// wholeCost is the processor time per record with start-up and end.
func (r result) wholeCost() float64 { return float64(r.used.Microseconds()) / float64(r.records) }

// growth is what the sinks store as a multiple of what the source does; 0 if that is not known.
func (r result) growth() float64 {
	if r.source == 0 {
		return 0
	}
	return float64(r.stored) / float64(r.source)
}

func (r result) String() string {
	mallocs := "?"
	if r.mallocs >= 0 {
		mallocs = fmt.Sprintf("%.3f", r.mallocs)
	}
	return fmt.Sprintf("%6.3f us/record  whole %6.3f  %8.0f records/s  %4d MiB  %s allocations/record  stored %.3f",
		r.cost, r.wholeCost(), r.rate, r.memory>>20, mallocs, r.growth())
}

// runLimit is how long a subject may take for one topic: many times what the slowest takes.
const runLimit = 3 * time.Minute

// measure runs a cell once, into topics of its own, and sees to it that every record has arrived.
func (b *bench) measure(ctx context.Context, c *cell, number int) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	r, sinks, err := b.prepare(ctx, c, runName(c, number))
	if err != nil {
		return result{}, err
	}
	cmd, err := c.subject.command(b.binary(c.subject), r)
	if err != nil {
		return result{}, err
	}
	want := c.workload.records(b.records)
	res, samples, err := b.execute(ctx, cmd, &watch{broker: b.broker, sinks: sinks, listen: r.listen, records: want})
	if err != nil {
		return result{}, err
	}
	each, err := b.broker.endsOf(ctx, sinks)
	if err != nil {
		return result{}, err
	}
	var arrived int64
	for _, topic := range c.routing.topics(r.name) {
		res.sinks = append(res.sinks, each[topic])
		arrived += each[topic]
	}
	if err := complete(want, arrived); err != nil {
		return result{}, err
	}
	res.records, res.source = want, b.filled[c.workload.name]
	if res.stored, err = b.broker.stored(ctx, sinks); err != nil {
		return result{}, err
	}
	if res.ledger, err = ledgerBytes(r.ledger()); err != nil {
		return result{}, err
	}
	// A quick subject may have ended before the next sample was due.
	samples = append(samples, sample{at: res.wall, used: res.used, records: arrived})
	if res.cost, res.rate, err = samples.steady(want, c.subject.steadyFrom()); err != nil {
		return result{}, err
	}
	return res, b.broker.remove(ctx, sinks)
}

// complete compares what arrived at the sinks with what was there to be routed.
func complete(want, arrived int64) error {
	switch {
	case arrived < want:
		return fmt.Errorf("incomplete: %d of %d records arrived", arrived, want)
	case arrived > want:
		return fmt.Errorf("%d records arrived of %d: some are there twice", arrived, want)
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// runName is a topic's and a group's name.
func runName(c *cell, number int) string {
	return notInNames.ReplaceAllString(c.key(), "-") + "-" + strconv.Itoa(number)
}

// prepare makes the sink topics of a run and gives their partitions.
func (b *bench) prepare(ctx context.Context, c *cell, name string) (*run, map[string]int32, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	r := &run{
		name: name, topic: c.workload.name, routing: &c.routing, broker: b.broker, geo: b.geo, dir: b.dir, listen: listen,
	}
	sinks := map[string]int32{}
	for _, topic := range c.routing.topics(r.name) {
		if err := b.broker.create(ctx, topic, c.workload.sinkPartitions()); err != nil {
			return nil, nil, err
		}
		sinks[topic] = c.workload.sinkPartitions()
	}
	return r, sinks, nil
}

// execute runs the process to its end, watched.
func (b *bench) execute(ctx context.Context, cmd *exec.Cmd, w *watch) (result, curve, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, nil, fmt.Errorf("start: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- w.run(watching, cmd.Process.Pid, begun) }()
	kill := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer kill()
	err := cmd.Wait()
	wall := time.Since(begun)
	stop()
	watchErr := <-watched
	if err != nil {
		return result{}, nil, fmt.Errorf("%w\n%s", err, out.Bytes())
	}
	if watchErr != nil {
		return result{}, nil, watchErr
	}
	res := result{
		used: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: wall, memory: w.memory, mallocs: w.mallocs(),
	}
	if m := mallocsLine.FindSubmatch(out.Bytes()); m != nil {
		n, _ := strconv.ParseFloat(string(m[1]), 64)
		res.mallocs = n / float64(w.records)
	}
	return res, w.samples, nil
}

// mallocsLine is what a subject written in Go prints on standard error when it ends.
var mallocsLine = regexp.MustCompile(`(?m)^mallocs (\d+)$`)

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (b *bench) binary(s *subject) string {
	return b.dir + "/" + strings.ReplaceAll(s.name, " ", "-")
}
