//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// delay is what one run says of how long records take: from just before the request that appends them to the
// source is sent, until a consumer of the sinks has them. That is longer than from append to acknowledgement by what
// a request and a fetch take, for all subjects alike: the wire floor's delay shows by how much.
type delay struct {
	rate           float64 // records per second that were appended
	p50, p99, p999 float64 // milliseconds
	late           time.Duration
}

func (d delay) String() string {
	return fmt.Sprintf("p50 %.1f ms  p99 %.1f ms  p99.9 %.1f ms  at %.0f records/s, the source up to %v late", d.p50, d.p99, d.p999, d.rate, d.late.Round(100*time.Microsecond))
}

const (
	// latencyLoad is the share of its own throughput that a subject gets.
	latencyLoad = 0.5
	// A run appends for latencyTime and, before that, for as long as its subject takes to start, to warm up and to catch
	// up with what it missed meanwhile: a JVM compiles for ten seconds of processor time.
	latencyTime = 9 * time.Second
	warmup      = 6 * time.Second
	warmupJVM   = 20 * time.Second
	// latencyRounds bounds the rounds of latencies, which take as long for a quick subject as for a slow one.
	latencyRounds = 2
	// arrivalLimit is how long the last records may take.
	arrivalLimit = time.Minute
)

func warmupOf(s *subject) time.Duration {
	if s.jvm {
		return warmupJVM
	}
	return warmup
}

// latencySubjects are those that end after a count of records that are not there yet when they start.
var latencySubjects = append([]string{"wire floor", "floor", "demarc"}, tuned...)

// load is what a subject's latency is measured at: half of its own throughput, or what the fastest peer gets.
type load struct {
	cell
	asPeers bool
}

func (l load) String() string {
	if l.asPeers {
		return l.subject.name + ", at the rate of the fastest peer"
	}
	return l.subject.name
}

// loads are of cells whose throughput is measured too.
func (b *bench) loads() (list []load) {
	for _, name := range latencySubjects {
		s := findSubject(name)
		if !b.has(s) {
			continue
		}
		list = append(list, load{cell{s, mixed, usual}, false})
		if s == theDemarc {
			list = append(list, load{cell{s, mixed, usual}, true})
		}
	}
	return list
}

// runLatencies measures the delay of each subject in turn.
func (b *bench) runLatencies(ctx context.Context) error {
	list := b.loads()
	for round := range min(b.rounds, latencyRounds) {
		for i, l := range rotated(list, round) {
			rate := b.latencyRate(l)
			if slices.Contains(b.noLatency, l.subject.name) || rate == 0 {
				continue
			}
			what := "latency of " + l.String()
			err := b.try(ctx, what, func(attempt int) error {
				d, err := b.measureLatency(ctx, &l.cell, (round*len(list)+i)*attempts+attempt, rate)
				if err == nil {
					fmt.Fprintf(b.out, "%d  latency, %-36s %s\n", round+1, l, d)
					b.delays[l.String()] = append(b.delays[l.String()], d)
				}
				return err
			})
			if errors.Is(err, errSkipped) {
				b.noLatency = append(b.noLatency, l.subject.name)
				b.skipped = append(b.skipped, err.Error())
				fmt.Fprintln(b.out, err)
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// latencyRate is how many records come in a second; 0 if that throughput was not measured. The floors get demarc's
// rate: at half of their own it would be the source and the measurement that have too little of the machine, and so
// their delay says what is not demarc's.
func (b *bench) latencyRate(l load) float64 {
	rate := b.throughput(l.cell)
	switch {
	case l.asPeers:
		rate = 0
		for _, name := range tuned {
			rate = max(rate, b.throughput(cell{findSubject(name), l.workload, usual}))
		}
	case strings.HasSuffix(l.subject.name, "floor"):
		if demarc := b.throughput(ofDemarc(l.workload, usual)); demarc > 0 {
			rate = demarc
		}
	}
	return latencyLoad * rate
}

// throughput is what a cell's runs reached; 0 if there are none.
func (b *bench) throughput(c cell) float64 {
	runs := b.runs[c.key()]
	if len(runs) == 0 {
		return 0
	}
	return spreadOf(runs, func(r result) float64 { return r.rate }).median
}

// flagRefused is the exit status of a program that does not know a flag.
const flagRefused = 2

func (b *bench) measureLatency(ctx context.Context, c *cell, number int, rate float64) (delay, error) {
	all := warmupOf(c.subject) + latencyTime
	ctx, cancel := context.WithTimeout(ctx, all+2*arrivalLimit)
	defer cancel()
	name := "latency-" + runName(c, number)
	run, sinks, err := b.prepare(ctx, c, name)
	if err != nil {
		return delay{}, err
	}
	source := c.workload
	source.name = name
	if err := b.broker.create(ctx, name, source.partitions); err != nil {
		return delay{}, err
	}
	interval := time.Duration(float64(source.batch) / rate * float64(time.Second))
	transport, leader, err := b.connect(ctx, name)
	if err != nil {
		return delay{}, err
	}
	defer transport.CloseIdleConnections()
	p, err := newPace(b.broker, transport, leader, source, interval, int(all/interval))
	if err != nil {
		return delay{}, err
	}
	run.topic, run.records = name, int64(p.batches)*int64(source.batch)
	cmd, err := c.subject.command(b.binary(c.subject), run)
	if err != nil {
		return delay{}, err
	}
	reader := &probe{
		transport: transport, broker: b.broker, leader: leader, sinks: sinks, sent: &p.sent, first: int(warmupOf(c.subject) / interval),
	}
	if err := runBeside(ctx, cmd, p, reader, run.records); err != nil {
		return delay{}, err
	}
	arrived, err := b.broker.ends(ctx, sinks)
	if err == nil {
		err = complete(run.records, arrived)
	}
	if err != nil {
		return delay{}, err
	}
	sinks[name] = source.partitions
	return delay{
		rate: rate, p50: reader.taken.percentile(50), p99: reader.taken.percentile(99), p999: reader.taken.percentile(99.9), late: p.late,
	}, b.broker.remove(ctx, sinks)
}

// connect makes a transport for pace and probe.
func (b *bench) connect(ctx context.Context, topic string) (*kafka.Transport, int32, error) {
	transport := &kafka.Transport{ClientID: "bench", MetadataTopics: []string{topic}}
	client := &kafka.Client{Addr: kafka.TCP(b.broker.address), Transport: transport}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err == nil && len(meta.Brokers) != 1 {
		err = fmt.Errorf("the cluster has %d brokers, want one", len(meta.Brokers))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("ask for the broker: %w", err)
	}
	return transport, int32(meta.Brokers[0].ID), nil
}

// runBeside runs a subject while the source is appended to and the sinks are read, and ends it when all has arrived.
func runBeside(ctx context.Context, cmd *exec.Cmd, p *pace, reader *probe, records int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); err != nil {
			if cmd.ProcessState.ExitCode() == flagRefused {
				err = fmt.Errorf("%w: it does not take -records", errSkipped)
			} else {
				err = fmt.Errorf("%w\n%s", err, out.Bytes())
			}
			cancel(err)
		}
	}()
	read := make(chan error, 1)
	go func() {
		err := reader.run(ctx, records)
		if err != nil {
			cancel(err)
		}
		read <- err
	}()
	err := p.run(ctx)
	if err == nil {
		limit := time.AfterFunc(arrivalLimit, func() {
			cancel(fmt.Errorf("incomplete: %d of %d records arrived", reader.arrived.Load(), records))
		})
		err = <-read
		limit.Stop()
	}
	if err != nil {
		cause := context.Cause(ctx)
		if cause == nil {
			cause = err
		}
		_ = cmd.Process.Kill()
		<-ended
		return cause
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // a peer has ended by itself, or is about to
	<-ended
	return nil
}
