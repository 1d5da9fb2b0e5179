package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
)

// errUnowned says that no member of the group has a partition with an end to reach: a broker that does not know
// all partitions yet has told the group's leader what there is to assign.
var errUnowned = errors.New("a partition with an end to reach is assigned to nobody")

// errGone stops a partition that is not there any more.
var errGone = errors.New("the partition is gone: was its topic deleted?")

// joinAgain is how long a member keeps a generation whose assignment misses partitions.
const joinAgain = time.Second

// atEnd makes sure that the end is reached when all is done that was assigned to this process: each partition has
// to belong to some member of the group. gone lists those that cannot reach their end any more.
func (r *Router) atEnd(ctx context.Context) (gone []error, err error) {
	unowned, err := r.unowned(ctx)
	if err != nil || len(unowned) == 0 {
		return nil, err
	}
	meta, err := r.client.Metadata(ctx, &kafka.MetadataRequest{Addr: r.addr, Topics: r.cfg.Topics})
	if err != nil {
		return nil, fmt.Errorf("read source metadata: %w", err)
	}
	there := map[record.TopicPartition]bool{}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			there[record.TopicPartition{Topic: t.Name, Partition: int32(p.ID)}] = true
		}
	}
	for _, tp := range unowned {
		if there[tp] {
			return nil, fmt.Errorf("%w: %s", errUnowned, tp)
		}
		r.stats.halted(tp, errGone)
		gone = append(gone, fmt.Errorf("partition %s stopped: %w", tp, errGone))
	}
	return gone, nil
}

// unowned lists the partitions that hold records and that no member of the group has.
func (r *Router) unowned(ctx context.Context) ([]record.TopicPartition, error) {
	res, err := r.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{Addr: r.addr, GroupIDs: []string{r.cfg.Group}})
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", r.cfg.Group, err)
	}
	left := maps.Clone(r.ends)
	maps.DeleteFunc(left, func(_ record.TopicPartition, end int64) bool { return end == 0 })
	for _, group := range res.Groups {
		if group.Error != nil {
			return nil, fmt.Errorf("describe group %s: %w", r.cfg.Group, group.Error)
		}
		for _, member := range group.Members {
			for _, t := range member.MemberAssignments.Topics {
				for _, p := range t.Partitions {
					delete(left, record.TopicPartition{Topic: t.Topic, Partition: int32(p)})
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(left), compareTP), nil
}

// goneAfter is in how many looks in a row, a second apart, a partition is missing when it is given up: a broker
// that has just started may not know it yet.
const goneAfter = 5

// watch compares the partitions that there are with those that the generation began with. It lists those of this
// process that are gone.
func (f *fetcher) watch(there map[record.TopicPartition]bool) (gone []*partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = there
	}
	for tp := range there {
		if !f.known[tp] {
			f.known[tp] = true
			f.beginAnew()
		}
	}
	for _, p := range f.parts {
		if p.missing++; there[p.tp] {
			p.missing = 0
		}
		if p.missing == goneAfter {
			gone = append(gone, p)
		}
	}
	return gone
}

// beginAnew ends the generation, to join the group again.
func (f *fetcher) beginAnew() { f.growOnce.Do(func() { close(f.grown) }) }

// endsAge is how old the known end of a partition may be when no fetch brings a newer one.
const endsAge = 5 * time.Second

// refreshEnds asks for the last stable offsets of partitions that have not been fetched for a while, because
// their sink is down or they have stopped: their lag must not stand still.
func (f *fetcher) refreshEnds(ctx context.Context, now time.Time) {
	var old []record.TopicPartition
	for _, p := range f.parts {
		if now.Sub(p.account.lastSeen()) > endsAge && p.missing == 0 {
			old = append(old, p.tp)
		}
	}
	ends, err := listOffsets(ctx, f.client, f.addr, old, kafka.LastOffset)
	if err != nil {
		if !ended(err) {
			f.stats.fetchError("list_offsets")
		}
		return
	}
	for _, p := range f.parts {
		if end, ok := ends[p.tp]; ok {
			p.account.see(end, now)
		}
	}
}
