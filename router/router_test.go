package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/record"
)

// mixed is n records of a partition: US, DE, one that nothing is known of, and a malformed one, in turn.
func mixed(partition int32, n int) (list []*kgo.Record) {
	for i := range n {
		list = append(list, event(partition, i, []string{"US", "DE", "", "us-CA"}[i%4]))
	}
	return list
}

func TestEveryRecordReachesItsSinkUnchangedAndInOrder(t *testing.T) {
	for _, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		b := newBench(t, 4)
		const each = 800
		for p := range int32(4) {
			b.produce(mixed(p, each), kgo.ProducerBatchCompression(codec))
		}
		r := b.router(b.config())
		if err := b.run(b.context(), r); err != nil {
			t.Fatal(err)
		}
		for p := range int32(4) {
			var want [3][]string
			for i, rec := range mixed(p, each) {
				sink := []int{us, eu, held, held}[i%4]
				want[sink] = append(want[sink], string(rec.Key))
			}
			for sink := range want {
				if d := cmp.Diff(want[sink], keys(b.sinks[sink].snapshot(), p)); d != "" {
					t.Errorf("sink %d, partition %d (-want +got):\n%s", sink, p, d)
				}
			}
		}
		for _, s := range b.sinks[us].snapshot() {
			var p int32
			var n int
			fmt.Sscanf(s.key, "%d/%d", &p, &n)
			want := event(p, n, "US")
			if string(s.value) != string(want.Value) || s.millis != want.Timestamp.UnixMilli() ||
				len(s.headers) != 1 || string(s.headers[0].Value) != "US" {
				t.Fatalf("record arrived changed: %+v", s)
			}
		}
		for p, at := range b.committed() {
			if at != each {
				t.Errorf("partition %d: committed %d, want %d", p, at, each)
			}
		}
		for _, a := range r.Accounts() {
			if a.Consumed != each || a.Delivered != each/2 || a.Quarantined != each/2 {
				t.Errorf("account %+v", a)
			}
		}
	}
}

func TestQuarantinedRecordsCarryFourHeaders(t *testing.T) {
	b := newBench(t, 2)
	b.produce([]*kgo.Record{event(1, 0, "DE"), event(1, 1, "N/A"), {Topic: "events", Partition: 1, Key: []byte("x")}})
	if err := b.run(b.context(), b.router(b.config())); err != nil {
		t.Fatal(err)
	}
	got := b.sinks[held].snapshot()
	if len(got) != 2 {
		t.Fatalf("%d records in quarantine, want 2", len(got))
	}
	text := func(s stored) (list []string) {
		for _, h := range s.headers {
			list = append(list, string(h.Key)+"="+string(h.Value))
		}
		return list
	}
	policy := "demarc-policy=" + testClassifier(t).Policy().ID()
	want := []string{"account-country=N/A", "demarc-reason=malformed", "demarc-signal=account_country", "demarc-source=events/1/1", policy}
	if d := cmp.Diff(want, text(got[0])); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
	want = []string{"demarc-reason=no_signal", "demarc-signal=", "demarc-source=events/1/2", policy}
	if d := cmp.Diff(want, text(got[1])); d != "" {
		t.Errorf("headers of the tombstone (-want +got):\n%s", d)
	}
	if got[1].value != nil {
		t.Error("a null value did not stay null")
	}
}

func TestPureBatchesPassThroughByteForByte(t *testing.T) {
	b := newBench(t, 1)
	var records []*kgo.Record
	for i := range 20_000 {
		records = append(records, event(0, i, "US"))
	}
	b.produce(records, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if n := len(b.sinks[us].snapshot()); n != len(records) {
		t.Fatalf("%d records, want %d", n, len(records))
	}
	source := map[string]bool{}
	for _, raw := range b.fetchRaw(0) {
		source[string(raw.Section())] = true
	}
	passed := 0
	for _, raw := range b.sinks[us].batches {
		if source[string(raw[61:])] {
			passed++
		}
	}
	if passed == 0 || metric(r, `demarc_source_batches_total{topic="events",path="passed"}`) != passed {
		t.Errorf("%d batches arrived as they were, metric says %d", passed, metric(r, `demarc_source_batches_total{topic="events",path="passed"}`))
	}
}

func TestSinkDownHoldsOnlyWhatItMust(t *testing.T) {
	b := newBench(t, 2)
	b.sinks[eu].setDown(true)
	b.produce([]*kgo.Record{event(0, 0, "US"), event(0, 1, "DE"), event(0, 2, "US")})
	for i := range 50 {
		b.produce([]*kgo.Record{event(1, i, "US")})
	}
	cfg := b.config()
	cfg.UntilEnd = false
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	b.sinks[eu].until(t, "the record for the sink that is down", func(m *memory) bool { return len(m.waiting) == 1 })
	b.sinks[us].until(t, "everything else", func(m *memory) bool { return len(m.records) == 52 })
	// Later chunks of the partition are acknowledged; they may not be committed over the one that waits.
	b.produce([]*kgo.Record{event(0, 3, "US")})
	b.sinks[us].until(t, "a later chunk", func(m *memory) bool { return len(m.records) == 53 })
	for i := range 20 { // beyond the window: these are not fetched, and yet the lag knows of them
		b.produce([]*kgo.Record{event(0, 4+i, "US")})
	}
	r.stats.current.fetcher.refreshEnds(ctx, time.Now().Add(time.Minute))
	if lag := r.stats.lag(record.TopicPartition{Topic: "events"}); lag < 23 {
		t.Errorf("lag = %v while the sink is down, want 23 or 24", lag)
	}
	cancel()
	if err := <-done; !errors.Is(err, ErrGivenUp) {
		t.Fatalf("Run = %v", err)
	}
	checkAccounts(t, r, 0)
	if a := r.Accounts()[0]; a.GivenUp == 0 {
		t.Errorf("account %+v says nothing of what was given up", a)
	}
	if at := b.committed(); at[0] > 1 || at[1] != 50 {
		t.Fatalf("committed %v: partition 0 must not be beyond the record that was not delivered", at)
	}

	b.sinks[eu].setDown(false)
	if err := b.run(b.context(), b.router(b.config())); err != nil {
		t.Fatal(err)
	}
	if got := keys(b.sinks[eu].snapshot(), 0); !slices.Equal(got, []string{"0/1"}) {
		t.Errorf("after recovery the sink holds %v", got)
	}
	if at := b.committed(); at[0] != 24 {
		t.Errorf("committed %v", at)
	}
}

func TestStoppedSinkHoldsPartitionsAndOthersGoOn(t *testing.T) {
	b := newBench(t, 2)
	b.sinks[us].stopped = errors.New("cluster id is x, the pin says y")
	for i := range 6 { // each round is a batch, and with this bound a chunk, of its own
		b.produce([]*kgo.Record{event(0, 2*i, "US"), event(0, 2*i+1, "DE"), event(1, i, "DE")})
	}
	cfg := b.config()
	cfg.PartitionBytes = 1
	cfg.Memory = 1
	r := b.router(cfg)
	err := b.run(b.context(), r)
	if err == nil || !strings.Contains(err.Error(), "partition events/0 stopped: cluster id is x") {
		t.Fatalf("Run = %v", err)
	}
	if got := len(keys(b.sinks[eu].snapshot(), 1)); got != 6 {
		t.Errorf("%d of 6 records of the other partition arrived", got)
	}
	if got := len(keys(b.sinks[eu].snapshot(), 0)); got < 1 {
		t.Error("nothing for the other sink arrived")
	}
	if at, ok := b.committed()[0]; ok && at > 0 {
		t.Errorf("committed %d over a record that no sink has", at)
	}
	if metric(r, `demarc_partition_stopped{topic="events",partition="0"}`) != 1 {
		t.Error("no metric")
	}
}

func TestSinkRecoversWithoutHelp(t *testing.T) {
	b := newBench(t, 1)
	b.sinks[us].setDown(true)
	var want []string
	for i := range 60 {
		b.produce([]*kgo.Record{event(0, i, "US")})
		want = append(want, fmt.Sprintf("0/%d", i))
	}
	r := b.router(b.config())
	done := make(chan error)
	go func() { done <- r.Run(b.context()) }()
	b.sinks[us].until(t, "a batch", func(m *memory) bool { return len(m.waiting) > 0 })
	b.sinks[us].setDown(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, keys(b.sinks[us].snapshot(), 0)); d != "" {
		t.Error(d)
	}
}

func TestRefusedRecordsGoToQuarantineAlone(t *testing.T) {
	b := newBench(t, 1)
	b.sinks[us].refuse = func(s stored) (record.Reason, bool) {
		return record.TooLarge, strings.HasSuffix(s.key, "7")
	}
	var records []*kgo.Record
	for i := range 40 {
		records = append(records, event(0, i, "US"))
	}
	b.produce(records)
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := keys(b.sinks[held].snapshot(), 0); !slices.Equal(got, []string{"0/7", "0/17", "0/27", "0/37"}) {
		t.Errorf("quarantine holds %v", got)
	}
	first := b.sinks[held].snapshot()[0]
	if got := string(first.headers[3].Value); got != "events/0/7" {
		t.Errorf("demarc-source = %q", got)
	}
	if len(b.sinks[us].snapshot()) != 36 {
		t.Errorf("sink holds %d records", len(b.sinks[us].snapshot()))
	}
	a := r.Accounts()[0]
	if a.Delivered != 36 || a.Quarantined != 4 || a.Outcomes[record.Outcome{Set: 1, Reason: record.TooLarge, Sink: held}].Records != 4 {
		t.Errorf("account %+v", a)
	}
}

func TestRecordThatEvenQuarantineRefusesStopsItsPartition(t *testing.T) {
	b := newBench(t, 2)
	never := func(s stored) (record.Reason, bool) { return record.TooLarge, s.key == "0/1" }
	b.sinks[us].refuse, b.sinks[held].refuse = never, never
	b.produce([]*kgo.Record{event(0, 0, "US"), event(1, 0, "US")})
	b.produce([]*kgo.Record{event(0, 1, "US"), event(1, 1, "US")})
	r := b.router(b.config())
	err := b.run(b.context(), r)
	if err == nil || !strings.Contains(err.Error(), "partition events/0 stopped") {
		t.Fatalf("Run = %v", err)
	}
	if metric(r, `demarc_partition_stopped{topic="events",partition="0"}`) != 1 {
		t.Error("metric does not say that the partition stopped")
	}
	if at := b.committed(); at[0] > 1 || at[1] != 2 {
		t.Errorf("committed %v", at)
	}
}

func TestReadCommitted(t *testing.T) {
	b := newBench(t, 1)
	b.transaction("t1", kgo.TryCommit, event(0, 0, "US"), event(0, 1, "US"))
	b.transaction("t1", kgo.TryAbort, event(0, 2, "US"), event(0, 3, "US"))
	b.transaction("t1", kgo.TryCommit, event(0, 4, "DE"))
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := keys(b.sinks[us].snapshot(), 0); !slices.Equal(got, []string{"0/0", "0/1"}) {
		t.Errorf("us holds %v", got)
	}
	if got := keys(b.sinks[eu].snapshot(), 0); !slices.Equal(got, []string{"0/4"}) {
		t.Errorf("eu holds %v", got)
	}
	a := r.Accounts()[0]
	if a.Consumed != 8 || a.Control != 3 || a.Absent != 2 || a.Delivered != 3 {
		t.Errorf("account %+v", a)
	}
	for _, raw := range append(b.sinks[us].batches, b.sinks[eu].batches...) {
		if raw[22]&0x10 != 0 {
			t.Error("a sink's batch kept the transactional bit")
		}
	}
}

func TestStartsInTheMiddleOfABatch(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 40))
	b.commit(0, 13)
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := len(b.sinks[us].snapshot()) + len(b.sinks[eu].snapshot()) + len(b.sinks[held].snapshot()); got != 27 {
		t.Errorf("%d records delivered, want 27", got)
	}
	if got := keys(b.sinks[eu].snapshot(), 0)[0]; got != "0/13" {
		t.Errorf("the first record is %s", got)
	}
	if a := r.Accounts()[0]; a.Consumed != 27 || a.Absent != 0 {
		t.Errorf("account %+v", a)
	}
}

func TestSourceErrorCodes(t *testing.T) {
	for code, stops := range map[kafka.Error]bool{
		kafka.NotLeaderForPartition: false, kafka.LeaderNotAvailable: false, kafka.UnknownLeaderEpoch: false,
		kafka.TopicAuthorizationFailed: false, kafka.UnknownTopicOrPartition: false,
		kafka.OffsetOutOfRange: true, kafka.InvalidMessage: true, kafka.UnsupportedForMessageFormat: true,
	} {
		t.Run(code.Title(), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			b.produce(mixed(0, 8))
			b.failFetches(code, 2)
			r := b.router(b.config())
			err := b.run(b.context(), r)
			if stops != (err != nil) {
				t.Fatalf("Run = %v", err)
			}
			if stops && !errors.Is(err, code) {
				t.Errorf("error %v does not wrap %v", err, code)
			}
			if got := len(b.sinks[us].snapshot()); stops && got != 0 || !stops && got != 2 {
				t.Errorf("%d records delivered", got)
			}
			if metric(r, fmt.Sprintf(`demarc_fetch_errors_total{error=%q}`, errorLabel(code))) == 0 {
				t.Error("no metric")
			}
		})
	}
}

func TestTwoProcessesShareLanesOverARebalance(t *testing.T) {
	b := newBench(t, 8)
	const each = 300
	cfg := b.config()
	cfg.UntilEnd = false
	first, stopFirst := context.WithCancel(b.context())
	second, stopSecond := context.WithCancel(b.context())
	one, two := b.router(cfg), b.router(cfg)
	done := make(chan error, 2)
	go func() { done <- one.Run(first) }()
	total := func(n int) func(*memory) bool { return func(m *memory) bool { return len(m.records) >= n } }
	for i := range each / 2 {
		b.produceToAll(8, i)
	}
	b.sinks[us].until(t, "the first half", total(8*each/2))
	go func() { done <- two.Run(second) }()
	for i := each / 2; i < each; i++ {
		b.produceToAll(8, i)
	}
	b.sinks[us].until(t, "the second half", total(8*each))
	waitFor(t, "both to have partitions", func() bool { return one.stats.assigned() == 4 && two.stats.assigned() == 4 })
	readBy := map[record.TopicPartition]int{}
	for _, a := range slices.Concat(one.Accounts(), two.Accounts()) {
		if a.Assigned {
			readBy[a.Source]++
		}
	}
	if len(readBy) != 8 || slices.Max(slices.Collect(maps.Values(readBy))) != 1 {
		t.Errorf("accounts say that these partitions are read, each by as many: %v", readBy)
	}
	stopFirst()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the second to take over", func() bool { return two.stats.assigned() == 8 })
	b.produceToAll(8, each)
	b.sinks[us].until(t, "the records after the take-over", total(8*(each+1)))
	stopSecond()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	checkAccounts(t, one, 0)
	checkAccounts(t, two, 0)
	records := b.sinks[us].snapshot()
	for p := range int32(8) {
		var want []string
		for i := range each + 1 {
			want = append(want, fmt.Sprintf("%d/%d", p, i))
		}
		if d := cmp.Diff(want, keys(records, p)); d != "" {
			t.Errorf("partition %d: lost, repeated or out of order (-want +got):\n%s", p, d)
		}
	}
}

func TestZombieProducesNothing(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	cfg := b.config()
	cfg.UntilEnd = false
	r := b.router(cfg)
	ctx, cancel := context.WithCancel(b.context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	b.sinks[us].until(t, "the first records", func(m *memory) bool { return len(m.records) == 2 })
	waitFor(t, "their commit", func() bool { return b.committed()[0] == 8 })
	// The process wakes after a gap, and the coordinator has given its generation up.
	b.refuseCommitOnce(kafka.IllegalGeneration)
	r.stats.current.vitality.mu.Lock()
	r.stats.current.vitality.suspect = true
	r.stats.current.vitality.mu.Unlock()
	b.produce([]*kgo.Record{event(0, 8, "US")})
	b.sinks[us].until(t, "the record, from the next generation", func(m *memory) bool { return len(m.records) == 3 })
	if got := int(r.stats.set.GetOrCreateCounter("demarc_generations_total").Get()); got != 2 {
		t.Errorf("%d generations, want 2: the record may not be produced in the one that had ended", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConfigurationIsRefused(t *testing.T) {
	c := testClassifier(t)
	sinks := []Sink{newMemory(), newMemory(), newMemory()}
	if _, err := New(Config{}, c, nil, sinks[:2]); err == nil {
		t.Error("a sink is missing and New accepts it")
	}
	if _, err := New(Config{SessionTimeout: 5, DrainLimit: 5}, c, nil, sinks); err == nil {
		t.Error("the drain limit reaches the session timeout and New accepts it")
	}
}

func TestMissingTopicIsAnError(t *testing.T) {
	b := newBench(t, 1)
	cfg := b.config()
	cfg.Topics = []string{"absent"}
	if err := b.router(cfg).Run(b.context()); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("Run = %v", err)
	}
}
