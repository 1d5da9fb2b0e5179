package sinks

import (
	"crypto/sha256"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestProofTellsWhatThePinsSaw(t *testing.T) {
	c := newCluster(t)
	cfg := kafkaConfig(c.ListenAddrs()...)
	cfg.Pins.Addresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	k := NewKafka(cfg)
	if p := k.Proof(); p.Serial != 0 || p.Held {
		t.Errorf("before Open the proof is %+v", p)
	}
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	want := record.Proof{Cluster: clusterID, Held: true, Checks: []record.Check{
		{Pin: "address", Expected: []string{"127.0.0.0/8"}, Seen: "127.0.0.1", Held: true},
		{Pin: "cluster_id", Expected: []string{clusterID}, Seen: clusterID, Held: true},
	}}
	got := k.Proof()
	serial := got.Serial
	want.Serial = serial
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("proof (-want +got):\n%s", diff)
	}
	b := newBatch(t, from(0), wire.None, "a")
	k.Deliver(t.Context(), 0, b)
	mustStore(t, b)
	if again := k.Proof(); again.Serial != serial {
		t.Errorf("a connection that saw the same made serial %d of %d", again.Serial, serial)
	}
}

func TestProofOfAnotherPlaceDoesNotHold(t *testing.T) {
	c := newCluster(t, kfake.ClusterID("cluster-eu"))
	k := NewKafka(kafkaConfig(c.ListenAddrs()...))
	defer k.Close()
	if err := k.Open(t.Context()); err == nil {
		t.Fatal("another cluster was opened")
	}
	p := k.Proof()
	want := []record.Check{{Pin: "cluster_id", Expected: []string{clusterID}, Seen: `"cluster-eu"`}}
	if diff := cmp.Diff(want, p.Checks); diff != "" || p.Held || p.Serial == 0 {
		t.Errorf("proof %+v, checks (-want +got):\n%s", p, diff)
	}
}

// TestDigestIsOfWhatCanBeReadBack, of each piece that a refused batch was divided into as well.
func TestDigestIsOfWhatCanBeReadBack(t *testing.T) {
	c := newCluster(t)
	refuseIf(c, "large", kerr.MessageTooLarge.Code)
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	b := newBatch(t, from(1), wire.None, "a", "b", "large", "d")
	b.Digest = true
	k.Deliver(t.Context(), 0, b)
	receipt := mustStore(t, b)
	if len(receipt.Refused) != 1 || len(receipt.Places) < 2 {
		t.Fatalf("receipt %+v, want one record refused and the others in several places", receipt)
	}
	records := 0
	for _, p := range receipt.Places {
		stored, err := (&attempt{k: k}).fetch(t.Context(), p.Partition, p.BaseOffset)
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(stored.Section()) != p.SHA256 || int(stored.Count()) != p.Records || p.LastOffset != stored.LastOffset() {
			t.Errorf("place %+v is not what is stored there", p)
		}
		if want := []int{0, 1, -1, 2}[p.First]; want != records {
			t.Errorf("place %+v begins with record %d of the batch", p, p.First)
		}
		records += p.Records
	}
	if records != 3 {
		t.Errorf("places hold %d records, want 3", records)
	}
}

func TestDigestOfAFileIsOfItsBytes(t *testing.T) {
	f := openFile(t, fileConfig(t.TempDir()))
	first, second := newBatch(t, from(0), wire.None, "a"), newBatch(t, from(0), wire.Zstd, "b", "c")
	for _, b := range []*record.Batch{first, second} {
		b.Digest = true
		f.Deliver(t.Context(), 0, b)
	}
	a, b := mustStore(t, first).Places[0], mustStore(t, second).Places[0]
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []record.Place{a, b} {
		bytes, err := os.ReadFile(filepath.Join(f.cfg.Dir, p.File))
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(bytes[p.From:p.To]) != p.SHA256 {
			t.Errorf("place %+v is not what the file holds", p)
		}
	}
	if p := f.Proof(); !p.Held || len(p.Checks) != 1 || p.Checks[0].Pin != "directory" {
		t.Errorf("proof %+v", p)
	}
}
