package sinks

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestKafkaKeepsOrderAndPlaces(t *testing.T) {
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, topic))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	codecs := []wire.Codec{wire.None, wire.Gzip, wire.Snappy, wire.LZ4, wire.Zstd}
	var batches []*record.Batch
	want := map[int32]map[string][]string{}
	for round := range 10 {
		for p := range int32(8) { // 2 lanes, 8 source partitions, 4 sink partitions
			v := numbered(string(rune('a'+p))+string(rune('0'+round)), 5)
			b := newBatch(t, from(p), codecs[round%len(codecs)], v...)
			k.Deliver(t.Context(), int(p)%2, b)
			batches = append(batches, b)
			if want[p%4] == nil {
				want[p%4] = map[string][]string{}
			}
			want[p%4][v[0][:1]] = append(want[p%4][v[0][:1]], v...)
		}
	}
	placed := map[int32]map[int64]bool{}
	for _, b := range batches {
		r := mustStore(t, b)
		if len(r.Places) != 1 || len(r.Refused) != 0 {
			t.Fatalf("receipt = %+v", r)
		}
		p := r.Places[0]
		if p.Topic != topic || p.Partition != b.Source.Partition%4 || p.Records != 5 || p.LastOffset != p.BaseOffset+4 {
			t.Errorf("place of a batch of %v = %+v", b.Source, p)
		}
		if placed[p.Partition] == nil {
			placed[p.Partition] = map[int64]bool{}
		}
		for o := p.BaseOffset; o <= p.LastOffset; o++ {
			if placed[p.Partition][o] {
				t.Errorf("offset %d of partition %d is in two receipts", o, p.Partition)
			}
			placed[p.Partition][o] = true
		}
	}
	for partition, records := range consume(t, c) {
		got := map[string][]string{}
		for _, v := range values(records) {
			got[v[:1]] = append(got[v[:1]], v)
		}
		if diff := cmp.Diff(want[partition], got); diff != "" {
			t.Errorf("partition %d (-want +got):\n%s", partition, diff)
		}
		if len(placed[partition]) != len(records) {
			t.Errorf("partition %d: %d offsets in receipts, %d records", partition, len(placed[partition]), len(records))
		}
	}
	if s := k.State(); s.Status != Ready {
		t.Errorf("state = %+v", s)
	}
}

// TestProduceFaults breaks one answer to one request and expects every record once, in order.

// TestAnswerIsLost cuts the connection before the broker acts, and after.

// cuttable is a network on which the next answer of a broker can be cut off.

// TestForgottenInDoubt: the broker may have stored a batch, and then does not know its producer any more.

// TestGivenUpInDoubt: a batch that may be stored is given up, and the next one must not pass for its repetition.

// TestStoppedInBetween: another connection finds the wrong place while this one is about to write.

func TestStoppedInBetween(t *testing.T) {
	c := newCluster(t)
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	produced := countProduce(c)
	pin := &RefusedError{Check: CheckClusterID}
	b := newBatch(t, from(0), wire.None, "a")
	b.Live = func(context.Context) error {
		k.stop(pin)
		return nil
	}
	k.Deliver(t.Context(), 0, b)
	if s := outcome(t, b); !errors.Is(s.err, pin) || k.State().Status != Stopped {
		t.Errorf("settled with %v", s.err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if n := produced.Load(); n != 0 {
		t.Errorf("%d produce requests were sent", n)
	}
}

// TestRepetitionIsSuccess: 46 says that the broker has the batch, but not where.

// TestRefusedRecords: the broker refuses single records, and they alone are refused.

// refuseIf makes a cluster refuse every batch with a word in it.

// TestTooLargeForATopic has the limit of a real topic, and compressed batches.

// noise does not compress.

// TestGenerationEnds: what a lane has here is settled at once, and the next generation has another identity.

func TestGenerationEnds(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	cfg := kafkaConfig(c.ListenAddrs()...)
	k := openKafka(t, cfg)
	reached, release := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if asked.Add(1) == 1 {
			close(reached)
			c.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	lost := errors.New("partition lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	flying, queued := newBatch(t, from(0), wire.None, "a"), newBatch(t, from(0), wire.None, "b")
	k.Deliver(ctx, 0, flying)
	k.Deliver(ctx, 0, queued)
	<-reached
	cancel(lost)
	for _, b := range []*record.Batch{flying, queued} {
		if s := outcome(t, b); !errors.Is(s.err, lost) {
			t.Errorf("settled with %v, want %v", s.err, lost)
		}
	}
	if s := k.State(); s.Status != Ready {
		t.Errorf("the end of a generation counts as a fault of the sink: %+v", s)
	}
	if got := duplicates(cfg.Metrics); got != 1 {
		t.Errorf("possible duplicates = %d, want 1: the one under way", got)
	}
	late := newBatch(t, from(0), wire.None, "late")
	k.Deliver(ctx, 0, late)
	if s := outcome(t, late); !errors.Is(s.err, lost) {
		t.Errorf("a batch of an ended generation: %v", s.err)
	}
	close(release)
	next := newBatch(t, from(0), wire.None, "c")
	k.Deliver(t.Context(), 0, next)
	mustStore(t, next)
	records := consume(t, c)[0]
	last := records[len(records)-1]
	if string(last.Value) != "c" || slices.ContainsFunc(records, func(r *kgo.Record) bool { return string(r.Value) == "b" || string(r.Value) == "late" }) {
		t.Errorf("stored %q", values(records))
	}
	for _, r := range records[:len(records)-1] {
		if r.ProducerID == last.ProducerID {
			t.Error("two generations share a producer id")
		}
	}
}

func TestNothingIsSentThatIsNotLive(t *testing.T) {
	c := newCluster(t)
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	zombie := errors.New("session may be over")
	dead := newBatch(t, from(0), wire.None, "dead")
	dead.Live = func(context.Context) error { return zombie }
	alive := newBatch(t, from(1), wire.None, "alive")
	after := newBatch(t, from(0), wire.None, "after")
	for _, b := range []*record.Batch{dead, alive, after} {
		k.Deliver(t.Context(), 0, b)
	}
	if s := outcome(t, dead); !errors.Is(s.err, zombie) {
		t.Errorf("settled with %v, want %v", s.err, zombie)
	}
	mustStore(t, alive)
	mustStore(t, after)
	got := consume(t, c)
	if diff := cmp.Diff([][]string{{"after"}, {"alive"}}, [][]string{values(got[0]), values(got[1])}); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestLiveIsAskedAtEveryAttempt: a batch that waits out a fault is asked for again.

func TestLiveIsAskedAtEveryAttempt(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	asked, zombie := 0, errors.New("session may be over")
	b := newBatch(t, from(0), wire.None, "a")
	b.Live = func(context.Context) error {
		if asked++; asked == 3 {
			return zombie
		}
		return nil
	}
	k.Deliver(t.Context(), 0, b)
	if s := outcome(t, b); !errors.Is(s.err, zombie) || asked != 3 {
		t.Errorf("settled with %v after %d questions", s.err, asked)
	}
	if got := consume(t, c); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestSinkIsDownAndComesBack(t *testing.T) {
	dir := t.TempDir()
	c := newCluster(t, kfake.SeedTopics(1, topic), kfake.DataDir(dir), kfake.SyncWrites())
	addr := c.ListenAddrs()[0]
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cfg := kafkaConfig(addr)
	k := openKafka(t, cfg)
	first := newBatch(t, from(0), wire.Zstd, "a")
	k.Deliver(t.Context(), 0, first)
	mustStore(t, first)
	c.Close()
	waiting := []*record.Batch{newBatch(t, from(0), wire.Zstd, "b"), newBatch(t, from(0), wire.Zstd, "c")}
	for _, b := range waiting {
		k.Deliver(t.Context(), 0, b)
	}
	until(t, "the sink is retrying", func() bool { return k.State().Status == Retrying && k.State().Err != "" })
	c = newCluster(t, kfake.Ports(atoi(t, port)), kfake.DataDir(dir), kfake.SyncWrites())
	for _, b := range waiting {
		mustStore(t, b)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, values(consume(t, c)[0])); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if s := k.State(); s.Status != Ready || retries(cfg.Metrics, CauseNetwork)+retries(cfg.Metrics, CauseLeader) == 0 {
		t.Errorf("state = %+v", s)
	}
}

func TestLeaderMoves(t *testing.T) {
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, topic))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	var want []string
	for i, v := range numbered("a", 6) {
		if err := c.MoveTopicPartition(topic, 0, int32(i%2)); err != nil {
			t.Fatal(err)
		}
		b := newBatch(t, from(0), wire.Snappy, v)
		k.Deliver(t.Context(), 0, b)
		mustStore(t, b)
		want = append(want, v)
	}
	if diff := cmp.Diff(want, values(consume(t, c)[0])); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestReadBack: the first batch of a partition is compared with what the broker holds.

// answerFetch makes a cluster answer the next fetch with other bytes than it holds.

func TestDeliverRefusesWhatIsNoBatch(t *testing.T) {
	c := newCluster(t)
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	good := newBatch(t, from(0), wire.None, "a", "b")
	for name, b := range map[string]*record.Batch{
		"cut off":     record.NewBatch(from(0), good.Bytes[:len(good.Bytes)-1], 2, nil),
		"other count": record.NewBatch(from(0), good.Bytes, 3, nil),
		"two batches": record.NewBatch(from(0), slices.Concat(good.Bytes, good.Bytes), 2, nil),
		"nothing":     record.NewBatch(from(0), nil, 0, nil),
	} {
		k.Deliver(t.Context(), 0, b)
		if s := outcome(t, b); s.err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestCloseSettles(t *testing.T) {
	c := newCluster(t)
	cfg := kafkaConfig(c.ListenAddrs()...)
	k := openKafka(t, cfg)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	b := newBatch(t, from(0), wire.None, "a")
	k.Deliver(t.Context(), 0, b)
	until(t, "the sink is retrying", func() bool { return k.State().Status == Retrying })
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	late := newBatch(t, from(0), wire.None, "late")
	k.Deliver(t.Context(), 0, late)
	for _, b := range []*record.Batch{b, late} {
		if s := outcome(t, b); !errors.Is(s.err, ErrClosed) {
			t.Errorf("settled with %v", s.err)
		}
	}
}

// TestManyLanesAtOnce has every lane write while leaders move.

func TestManyLanesAtOnce(t *testing.T) {
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(4, topic))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	var group sync.WaitGroup
	for lane := range 8 {
		group.Go(func() {
			for i := range 20 {
				for _, p := range []int32{int32(lane), int32(lane + 8)} {
					b := newBatch(t, from(p), wire.LZ4, numbered(string(rune('a'+p))+"x", 2)...)
					k.Deliver(t.Context(), lane, b)
					if i%5 == 0 {
						if _, err := b.Wait(); err != nil {
							t.Error(err)
						}
					}
				}
			}
			last := newBatch(t, from(int32(lane)), wire.LZ4, "last")
			k.Deliver(t.Context(), lane, last)
			if _, err := last.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	c.ShufflePartitionLeaders()
	group.Wait()
	// Partitions of one lane share a request but not a queue: wait for the other one by a batch of its own.
	total := 0
	for lane := range 8 {
		b := newBatch(t, from(int32(lane+8)), wire.LZ4, "last")
		k.Deliver(t.Context(), lane, b)
		mustStore(t, b)
	}
	for _, records := range consume(t, c) {
		total += len(records)
	}
	if want := 8*20*2*2 + 16; total != want {
		t.Errorf("%d records, want %d", total, want)
	}
}
