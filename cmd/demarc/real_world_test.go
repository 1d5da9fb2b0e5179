//go:build real

package main_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/devbroker/real"
)

//go:embed testdata/real_policy.yaml
var realPolicy string

// patience is how long anything may take before a test gives up on it.
const patience = 3 * time.Minute

// world is two Kafka clusters, the demarc binary and one source topic, which is on the EU cluster.
type world struct {
	us, eu *real.Cluster
	binary string
	dir    string

	source     string
	traffic    devbroker.Traffic
	bareFrom   int64 // from this number on, the records of each partition were written by kcat
	partitions int32
	next       int64 // number of the next record of each partition
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, real.Options{}, real.Options{})
}

func newWorldOf(t *testing.T, us, eu real.Options) *world {
	t.Helper()
	if err := real.Need("java", "kcat"); err != nil {
		t.Fatal(err)
	}
	w := &world{dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "demarc")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", w.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build demarc: %v\n%s", err, out)
	}
	clusters, err := real.StartAll(t.Context(), w.dir, us, eu)
	if err != nil {
		t.Fatal(err)
	}
	w.us, w.eu = clusters[0], clusters[1]
	for _, c := range clusters {
		t.Cleanup(func() {
			if err := c.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	return w
}

// fresh makes a new source topic, empty.
func (w *world) fresh(t *testing.T, source string, traffic devbroker.Traffic) {
	t.Helper()
	w.source, w.traffic, w.partitions, w.next, w.bareFrom = source, traffic, 4, 0, 1<<62
	if err := w.eu.CreateTopic(t.Context(), source, w.partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// load describes the next records of the source.
func (w *world) load(records int64) devbroker.Load {
	l := devbroker.Load{
		Brokers: w.eu.Brokers, Topic: w.source, Partitions: w.partitions, Traffic: w.traffic,
		From: w.next, Records: records,
	}
	w.next += records / int64(w.partitions)
	return l
}

func (w *world) fill(t *testing.T, records int64, codec kgo.CompressionCodec) {
	t.Helper()
	l := w.load(records)
	l.Codec = codec
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// fillWithKcat ends the part of the source that franz-go wrote.
func (w *world) fillWithKcat(t *testing.T, records int64, codec string) {
	t.Helper()
	w.bareFrom = min(w.bareFrom, w.next)
	w.traffic.Bare = true
	if err := real.FillWithKcat(t.Context(), w.load(records), codec); err != nil {
		t.Fatal(err)
	}
}

// truth is what a record of the source is.
func (w *world) truth(partition int32, n int64) devbroker.Truth {
	traffic := w.traffic
	traffic.Bare = n >= w.bareFrom
	_, truth := traffic.Record(partition, n)
	return truth
}

// route is one set of sinks, one consumer group and the policy that names them.
type route struct {
	*world
	name, policy string
	env          []string
}

// sinkTopics are the sinks of the policy, with whether they are on the US cluster.
var sinkTopics = map[string]bool{"us": true, "quarantine": true, "eea": false, "row": false}

// route creates sink topics, of two partitions, and writes a policy in which the US cluster has the given id.
func (w *world) route(t *testing.T, name, usCluster string) *route {
	t.Helper()
	r := &route{world: w, name: name, policy: filepath.Join(w.dir, name+".yaml")}
	text := strings.NewReplacer("${RUN}", name, "${US_BROKER}", w.us.Brokers[0], "${US_CLUSTER}", usCluster,
		"${EU_BROKER}", w.eu.Brokers[0], "${EU_CLUSTER}", w.eu.ID).Replace(realPolicy)
	if err := os.WriteFile(r.policy, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for sink := range sinkTopics {
		if err := r.cluster(sink).CreateTopic(t.Context(), r.topic(sink), 2, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.env = append(os.Environ(), "DEMARC_BROKERS="+w.eu.Brokers[0], "DEMARC_TOPICS="+w.source, "DEMARC_GROUP="+name,
		"DEMARC_START=earliest", "DEMARC_LISTEN=127.0.0.1:0")
	return r
}

func (r *route) topic(sink string) string { return r.name + "." + sink }

func (r *route) cluster(sink string) *real.Cluster {
	if sinkTopics[sink] {
		return r.us
	}
	return r.eu
}

// stored is how many records all sinks hold.
func (r *route) stored(ctx context.Context) (int64, error) {
	var all int64
	for sink := range sinkTopics {
		n, err := r.cluster(sink).Count(ctx, r.topic(sink))
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}

// process is a running demarc.
type process struct {
	*exec.Cmd
	out    lockedBuffer
	exited chan struct{}
	err    error // of Wait, once exited is closed
}

func (r *route) start(t *testing.T, flags ...string) *process {
	t.Helper()
	return r.launch(t, r.env, append([]string{"run", r.policy}, flags...)...)
}

func (w *world) launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{exited: make(chan struct{})}
	p.Cmd = exec.Command(w.binary, args...)
	p.Env, p.Stdout, p.Stderr = env, &p.out, &p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("demarc said:\n%s", p.out.tail())
		}
	})
	return p
}

// end waits until the process has ended by itself.
func (p *process) end(t *testing.T) (code int) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatal("demarc does not end")
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		t.Fatal(p.err)
	}
	return p.ProcessState.ExitCode()
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait polls until the condition holds. It gives up when the process ends.
func (p *process) wait(t *testing.T, what string, holds func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds(ctx)
		if err != nil {
			t.Fatalf("wait for %s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("demarc ended before %s: %v", what, p.err)
		case <-ctx.Done():
			t.Fatalf("wait for %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// waitStored waits until all sinks together hold n records.
func (r *route) waitStored(t *testing.T, p *process, n int64) {
	t.Helper()
	p.wait(t, fmt.Sprintf("%d records", n), func(ctx context.Context) (bool, error) {
		stored, err := r.stored(ctx)
		return stored >= n, err
	})
}

// lockedBuffer takes a process's output while a test may look at it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) tail() string {
	s := b.String()
	return s[max(0, len(s)-4000):]
}
