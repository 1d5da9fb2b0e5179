package router

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// laneBalancer assigns whole lanes to the members of the consumer group: the partitions of a lane, of all
// topics, always belong to one process. A lane stays with the member that had it as far as an even share
// allows, so that a rebalance moves little.
type laneBalancer struct {
	lanes   int
	topics  []string                                        // sorted
	owned   *atomic.Pointer[[]int]                          // the lanes of this process in the generation that ends
	differs func(member string, lanes int, topics []string) // told of members that get nothing
}

// ProtocolName is what members of the group agree on.
func (laneBalancer) ProtocolName() string { return "demarc-lanes" }

// UserData tells the group's leader this member's count of lanes (16 bits, big endian) and which it owned (16
// bits each).
func (b laneBalancer) UserData() ([]byte, error) {
	data := binary.BigEndian.AppendUint16(nil, uint16(b.lanes))
	if owned := b.owned.Load(); owned != nil {
		for _, lane := range *owned {
			data = binary.BigEndian.AppendUint16(data, uint16(lane))
		}
	}
	return data, nil
}

func parseUserData(data []byte) (lanes int, owned []int) {
	if len(data) < 2 || len(data)%2 != 0 {
		return 0, nil
	}
	for i := 2; i < len(data); i += 2 {
		owned = append(owned, int(binary.BigEndian.Uint16(data[i:])))
	}
	return int(binary.BigEndian.Uint16(data)), owned
}

// AssignGroups runs in the leader. A member with another count of lanes would cut the partitions differently, and
// one with other topics would not read all of a lane: it gets nothing until it is configured alike.
func (b laneBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	assigned := kafka.GroupMemberAssignments{}
	byLane := map[int][]kafka.Partition{}
	for _, p := range partitions {
		lane := p.ID % b.lanes
		byLane[lane] = append(byLane[lane], p)
	}
	lanes := make([]int, 0, len(byLane))
	for lane := range byLane {
		lanes = append(lanes, lane)
	}
	slices.Sort(lanes)

	var ids []string
	wants := map[int]string{} // lane -> the member that had it
	for _, m := range members {
		assigned[m.ID] = map[string][]int{}
		count, owned := parseUserData(m.UserData)
		if count != b.lanes || !slices.Equal(slices.Sorted(slices.Values(m.Topics)), b.topics) {
			b.differs(m.ID, count, m.Topics)
			continue
		}
		ids = append(ids, m.ID)
		for _, lane := range owned {
			wants[lane] = m.ID
		}
	}
	if len(ids) == 0 {
		return assigned
	}
	slices.Sort(ids)
	for lane, id := range share(lanes, ids, wants) {
		for _, p := range byLane[lane] {
			assigned[id][p.Topic] = append(assigned[id][p.Topic], p.ID)
		}
	}
	return assigned
}

// share gives every lane a member so that shares differ by at most one; a lane stays with the member that
// wants it while that member's share has room.
func share(lanes []int, ids []string, wants map[int]string) map[int]string {
	room := map[string]int{}
	for i, id := range ids {
		room[id] = len(lanes) / len(ids)
		if i < len(lanes)%len(ids) {
			room[id]++
		}
	}
	owner := map[int]string{}
	for _, lane := range lanes {
		if id := wants[lane]; room[id] > 0 {
			owner[lane] = id
			room[id]--
		}
	}
	next := 0
	for _, lane := range lanes {
		if _, ok := owner[lane]; ok {
			continue
		}
		for room[ids[next]] == 0 {
			next++
		}
		owner[lane] = ids[next]
		room[ids[next]]--
	}
	return owner
}
