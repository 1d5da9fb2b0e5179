//go:build real

package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/devbroker/real"
)

// million is how many records the large tests route.
const million = 1_000_000

// mixture is the traffic of all tests here: a share of it hostile, a share of it seen in two jurisdictions.
var mixture = devbroker.Traffic{Seed: 11, Hostile: 100, Roaming: 200}

// What demarc promises, kept against Apache Kafka: kcat, another Kafka client than those that demarc and the
// tests are built on, judges every delivery.
func TestReal(t *testing.T) {
	w := newWorld(t)
	w.fresh(t, "events", mixture)
	// An eighth each, by two clients that compress and frame batches in their own ways.
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		w.fill(t, million/8, codec)
	}
	for _, codec := range real.Codecs {
		w.fillWithKcat(t, million/8, codec)
	}
	source := w.readSource(t, real.Kcat)
	if source.Len() != million {
		t.Fatalf("the source holds %d records, want %d", source.Len(), million)
	}
	for name, test := range map[string]func(*testing.T, *world, *real.Tally){
		"AMillionRecordsInFourCodecs":           testMillion,
		"AWrongClusterIDGetsNotOneRecord":       testWrongCluster,
		"TwoProcessesAndRebalances":             testRebalance,
		"SIGTERMAndRestartNeitherLoseNorRepeat": testRestart,
	} {
		t.Run(name, func(t *testing.T) { test(t, w, source) })
	}
	t.Run("TwentyKills", func(t *testing.T) { testKills(t, w) })
}

func testMillion(t *testing.T, w *world, source *real.Tally) {
	r := w.route(t, "million", w.us.ID)
	p := r.start(t, "--until-end")
	if code := p.end(t); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
	if n := r.judge(t, real.Kcat, source); n != 0 {
		t.Errorf("%d records were delivered twice", n)
	}
	// kcat cannot tell all headers apart; franz-go can.
	if n := r.judge(t, real.Franz, w.readSource(t, real.Franz)); n != 0 {
		t.Errorf("%d records were delivered twice", n)
	}
}

func testWrongCluster(t *testing.T, w *world, _ *real.Tally) {
	wrong := real.RandomID()
	r := w.route(t, "wrong", wrong)
	p := r.start(t, "--until-end")
	if code := p.end(t); code == 0 {
		t.Error("exit code 0 although a sink is not what the policy says")
	}
	for _, id := range []string{wrong, w.us.ID} {
		if !strings.Contains(p.out.String(), id) {
			t.Errorf("the message does not name cluster id %s", id)
		}
	}
	for _, sink := range []string{"us", "quarantine"} {
		if n, err := r.cluster(sink).Count(t.Context(), r.topic(sink)); n != 0 || err != nil {
			t.Errorf("%d records in sink %s, %v; want none", n, sink, err)
		}
	}
}

func testRebalance(t *testing.T, w *world, source *real.Tally) {
	r := w.route(t, "rebalance", w.us.ID)
	first := r.start(t)
	r.waitStored(t, first, million/10)
	second := r.start(t)
	second.wait(t, "two members", func(ctx context.Context) (bool, error) {
		n, err := w.eu.Members(ctx, r.name)
		return n == 2, err
	})
	stored, err := r.stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.waitStored(t, second, min(stored+million/10, million))
	first.signal(t, syscall.SIGTERM)
	if code := first.end(t); code != 0 {
		t.Errorf("exit code %d of the first after SIGTERM, want 0", code)
	}
	r.waitStored(t, second, million)
	second.signal(t, syscall.SIGTERM)
	if code := second.end(t); code != 0 {
		t.Errorf("exit code %d of the second after SIGTERM, want 0", code)
	}
	if n := r.judge(t, real.Kcat, source); n != 0 {
		t.Errorf("%d records were delivered twice without a kill", n)
	}
}

func testRestart(t *testing.T, w *world, source *real.Tally) {
	r := w.route(t, "restart", w.us.ID)
	for part := int64(1); part <= 3; part++ {
		p := r.start(t)
		r.waitStored(t, p, part*million/5)
		p.signal(t, syscall.SIGTERM)
		if code := p.end(t); code != 0 {
			t.Fatalf("exit code %d after SIGTERM, want 0", code)
		}
		stored, err := r.stored(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if committed, err := w.eu.Committed(t.Context(), r.name, w.source); committed != stored || err != nil {
			t.Errorf("%d offsets committed, %v; the sinks hold %d records", committed, err, stored)
		}
	}
	if code := r.start(t, "--until-end").end(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if n := r.judge(t, real.Kcat, source); n != 0 {
		t.Errorf("%d records were delivered twice without a kill", n)
	}
}

func testKills(t *testing.T, w *world) {
	const kills, portion = 20, 40_000
	w.fresh(t, "killed", mixture)
	r := w.route(t, "kills", w.us.ID)
	r.env = append(r.env, "DEMARC_SESSION_TIMEOUT=6s", "DEMARC_DRAIN_LIMIT=3s")
	dice := rand.New(rand.NewPCG(1, 2))
	for range kills {
		w.fill(t, portion, kgo.ZstdCompression())
		before, err := r.stored(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := r.start(t)
		r.waitStored(t, p, before+1+dice.Int64N(portion/2))
		p.signal(t, syscall.SIGKILL)
		<-p.exited
		if err := w.eu.Evict(t.Context(), r.name); err != nil {
			t.Fatal(err)
		}
	}
	if code := r.start(t, "--until-end").end(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	n := r.judge(t, real.Kcat, w.readSource(t, real.Kcat))
	t.Logf("%d of %d records were delivered twice after %d kills", n, kills*portion, kills)
}

type reader func(ctx context.Context, brokers []string, topic string, fn func(*real.Read) error) error

func (w *world) readSource(t *testing.T, read reader) *real.Tally {
	t.Helper()
	var source real.Tally
	err := read(t.Context(), w.eu.Brokers, w.source, func(r *real.Read) error {
		source.Add(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &source
}

// judge reads all sinks and holds them against the source: the same multiset of records, each in the sink where
// it belongs, in order. It returns how many were delivered again.
func (r *route) judge(t *testing.T, read reader, source *real.Tally) (duplicates int) {
	t.Helper()
	var sinks real.Tally
	var order real.Order
	misplaced := 0
	for sink := range sinkTopics {
		err := read(t.Context(), r.cluster(sink).Brokers, r.topic(sink), func(rec *real.Read) error {
			if fault := r.misplaced(sink, rec); fault != "" {
				if misplaced++; misplaced <= 10 {
					t.Errorf("%s/%d/%d: %s", rec.Topic, rec.Partition, rec.Offset, fault)
				}
			}
			sinks.Add(rec)
			order.See(rec)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if misplaced > 0 {
		t.Errorf("%d records are where they do not belong", misplaced)
	}
	diff := real.Compare(source, &sinks)
	if diff.Missing > 0 || diff.Foreign > 0 {
		t.Errorf("source and sinks differ: %v", diff)
	}
	if len(order.Violations) > 0 {
		t.Errorf("out of order: %v", order.Violations)
	}
	return diff.Duplicates
}

// misplaced says what is wrong with finding the record in the sink. It takes the headers of quarantine off.
func (r *route) misplaced(sink string, rec *real.Read) string {
	partition, n, ok := devbroker.Identity(rec.Key, rec.Value)
	if !ok {
		return "no record of the source"
	}
	if rec.Partition != partition%2 {
		return fmt.Sprintf("of source partition %d", partition)
	}
	truth := r.truth(partition, n)
	if want := home(truth); sink != want {
		return fmt.Sprintf("belongs to %s: %+v", want, truth)
	}
	if sink != "quarantine" {
		return ""
	}
	if reason, ok := rec.Unquarantine(); !ok || reason != truth.Fault.Reason().String() {
		return fmt.Sprintf("quarantined as %q, want %v for %v", reason, truth.Fault.Reason(), truth.Fault)
	}
	return ""
}

// home is the sink of a record under the policy of these tests.
func home(truth devbroker.Truth) string {
	homes := truth.Home + devbroker.Home(truth.Seen)
	switch {
	case truth.Fault != devbroker.NoFault:
		return "quarantine"
	case strings.Contains(homes, devbroker.US):
		return "us"
	case strings.Contains(homes, devbroker.EEA):
		return "eea"
	}
	return "row"
}
