package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/ledger"
)

// find says where the entries of source partitions end: the first offset that the last range or gap of each does not
// cover. Those without an entry are left out. What is committed when it is called is seen.
//
// It reads from the end backwards. For a partition with entries that costs about what was appended behind the last of
// them, in its partition of the entries topic. One without any costs the whole topic: with another number of
// partitions, its entries would have been somewhere else.
func (c *cluster) find(ctx context.Context, topic string, count int32, wanted []ledger.Stream) (map[ledger.Stream]int64, error) {
	homes := map[int32][]ledger.Stream{}
	for _, s := range wanted {
		h := home(s, count)
		homes[h] = append(homes[h], s)
	}
	found, err := c.findIn(ctx, topic, homes)
	if err != nil || len(found) == len(wanted) || count == 1 {
		return found, err
	}
	strays := map[int32][]ledger.Stream{}
	for _, s := range wanted {
		if _, ok := found[s]; ok {
			continue
		}
		for p := range count {
			if p != home(s, count) {
				strays[p] = append(strays[p], s)
			}
		}
	}
	far, err := c.findIn(ctx, topic, strays)
	maps.Copy(found, far)
	return found, err
}

// searches is how many partitions are searched at a time.
const searches = 8

// findIn looks for source partitions in partitions of the entries topic. What is found in several is the greatest.
func (c *cluster) findIn(ctx context.Context, topic string, wanted map[int32][]ledger.Stream) (map[ledger.Stream]int64, error) {
	partitions := slices.Collect(maps.Keys(wanted))
	starts, err := c.offsets(ctx, topic, partitions, kafka.FirstOffset)
	if err != nil {
		return nil, err
	}
	ends, err := c.offsets(ctx, topic, partitions, kafka.LastOffset)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var failed error
	found := map[ledger.Stream]int64{}
	slots := make(chan struct{}, searches)
	var all sync.WaitGroup
	for p, streams := range wanted {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s := newSearch(streams)
			err := c.backwards(ctx, topic, p, starts[p], ends[p], s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && failed == nil {
				failed = fmt.Errorf("find where the entries end in %s/%d: %w", topic, p, err)
			}
			for stream, to := range s.found {
				found[stream] = max(found[stream], to)
			}
		})
	}
	all.Wait()
	return found, failed
}

// search looks for the last entry of each of some source partitions, as a finder.
type search struct {
	keys   map[string]bool
	wanted map[ledger.Stream]bool  // not found yet
	found  map[ledger.Stream]int64 // in windows behind this one
	here   map[ledger.Stream]int64 // in this one, so far
}

func newSearch(streams []ledger.Stream) *search {
	s := &search{keys: map[string]bool{}, wanted: map[ledger.Stream]bool{}, found: map[ledger.Stream]int64{}, here: map[ledger.Stream]int64{}}
	for _, stream := range streams {
		s.keys[streamKey(stream)], s.wanted[stream] = true, true
	}
	return s
}

func (s *search) see(records []stored) error {
	for _, r := range records {
		if !s.keys[string(r.key)] {
			continue
		}
		e, err := decode(r)
		if err != nil {
			return fmt.Errorf("the record at offset %d is no entry of demarc: %w: %w", r.offset, errForGood, err)
		}
		stream, _ := streamOf(e)
		if _, to := extentOf(e); s.wanted[stream] {
			s.here[stream] = max(s.here[stream], to)
		}
	}
	return nil
}

func (s *search) enough() bool {
	for stream, to := range s.here {
		delete(s.wanted, stream)
		s.found[stream] = to
	}
	clear(s.here)
	return len(s.wanted) == 0
}
