package relay

import (
	"crypto/rand"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger"
)

// pieces notes how many bytes it is given at once.
type pieces struct {
	*search
	largest, all, records int
}

func (p *pieces) see(records []stored) error {
	size := 0
	for _, r := range records {
		size += len(r.value)
	}
	p.largest, p.all, p.records = max(p.largest, size), p.all+size, p.records+len(records)
	return p.search.see(records)
}

// TestASearchIsBounded: a partition without entries has all of the topic read, which is larger than memory some day. It
// is looked at as it comes.
func TestASearchIsBounded(t *testing.T) {
	const records, each = 600, 20_000
	b := newBroker(t)
	for range 3 {
		var list []*kgo.Record
		for range records / 3 {
			value := make([]byte, each)
			_, _ = rand.Read(value)
			list = append(list, &kgo.Record{Topic: entries, Partition: 1, Key: []byte("of another partition"), Value: value})
		}
		if err := devbroker.Produce(context60(t), b.Brokers(), list); err != nil {
			t.Fatal(err)
		}
	}
	a := newAppender(t, b.Brokers())
	p := &pieces{search: newSearch([]ledger.Stream{stream(0)})}
	if err := a.cluster.backwards(context60(t), entries, 1, 0, records, p); err != nil {
		t.Fatal(err)
	}
	if p.records != records || p.all != records*each || p.largest > 2*partitionBytes {
		t.Errorf("%d records of %d bytes, up to %d bytes at once", p.records, p.all, p.largest)
	}
}
