package router

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
)

func member(id string, lanes int, owned ...int) kafka.GroupMember {
	var p atomic.Pointer[[]int]
	p.Store(&owned)
	data, err := laneBalancer{lanes: lanes, owned: &p}.UserData()
	if err != nil {
		panic(err)
	}
	return kafka.GroupMember{ID: id, UserData: data}
}

func unlike(string, int, []string) {}

func partitionsOf(topic string, n int) (list []kafka.Partition) {
	for i := range n {
		list = append(list, kafka.Partition{Topic: topic, ID: i})
	}
	return list
}

// lanesOf checks that lanes are whole and that every partition has exactly one owner.
func lanesOf(t *testing.T, lanes int, partitions []kafka.Partition, assigned kafka.GroupMemberAssignments) map[string][]int {
	t.Helper()
	owner := map[int]string{}
	seen := map[string]bool{}
	for id, topics := range assigned {
		for topic, ids := range topics {
			for _, p := range ids {
				key := fmt.Sprintf("%s/%d", topic, p)
				if seen[key] {
					t.Errorf("%s has two owners", key)
				}
				seen[key] = true
				if was, ok := owner[p%lanes]; ok && was != id {
					t.Errorf("lane %d is divided between %s and %s", p%lanes, was, id)
				}
				owner[p%lanes] = id
			}
		}
	}
	if len(seen) != len(partitions) {
		t.Errorf("%d of %d partitions have an owner", len(seen), len(partitions))
	}
	byMember := map[string][]int{}
	for lane, id := range owner {
		byMember[id] = append(byMember[id], lane)
	}
	return byMember
}

func TestBalancerAssignsWholeLanesEvenly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		lanes := 1 + rng.IntN(40)
		partitions := append(partitionsOf("a", 1+rng.IntN(100)), partitionsOf("b", rng.IntN(100))...)
		var members []kafka.GroupMember
		for i := range 1 + rng.IntN(6) {
			var owned []int
			for range rng.IntN(10) {
				owned = append(owned, rng.IntN(lanes))
			}
			members = append(members, member(fmt.Sprint("m", i), lanes, owned...))
		}
		byMember := lanesOf(t, lanes, partitions, laneBalancer{lanes: lanes, differs: unlike}.AssignGroups(members, partitions))
		least, most := lanes, 0
		for _, m := range members {
			n := len(byMember[m.ID])
			least, most = min(least, n), max(most, n)
		}
		if most-least > 1 {
			t.Fatalf("%d lanes over %d members: shares from %d to %d", lanes, len(members), least, most)
		}
	}
}

func TestBalancerKeepsLanesWhereTheyAre(t *testing.T) {
	partitions := partitionsOf("events", 8)
	members := []kafka.GroupMember{member("a", 8, 0, 1, 2, 3, 4, 5, 6, 7), member("b", 8)}
	byMember := lanesOf(t, 8, partitions, laneBalancer{lanes: 8, differs: unlike}.AssignGroups(members, partitions))
	if len(byMember["a"]) != 4 || len(byMember["b"]) != 4 {
		t.Fatalf("shares %v", byMember)
	}
	members = []kafka.GroupMember{member("b", 8, byMember["b"]...), member("a", 8, byMember["a"]...)}
	again := lanesOf(t, 8, partitions, laneBalancer{lanes: 8, differs: unlike}.AssignGroups(members, partitions))
	for id := range byMember {
		if fmt.Sprint(sorted(again[id])) != fmt.Sprint(sorted(byMember[id])) {
			t.Errorf("%s had lanes %v, now has %v", id, byMember[id], again[id])
		}
	}
}

func TestBalancerLeavesOutMembersThatDiffer(t *testing.T) {
	partitions := partitionsOf("events", 8)
	members := []kafka.GroupMember{member("a", 8), member("b", 16), {ID: "c", UserData: []byte{1}}}
	told := map[string]int{}
	members = append(members, kafka.GroupMember{ID: "d", UserData: members[0].UserData, Topics: []string{"events"}})
	balancer := laneBalancer{lanes: 8, differs: func(member string, lanes int, _ []string) { told[member] = lanes }}
	byMember := lanesOf(t, 8, partitions, balancer.AssignGroups(members, partitions))
	if len(byMember["a"]) != 8 {
		t.Errorf("shares %v, want all with a", byMember)
	}
	if len(told) != 3 || told["b"] != 16 || told["c"] != 0 || told["d"] != 8 {
		t.Errorf("told of %v", told)
	}
	if got := (laneBalancer{lanes: 4, differs: unlike}).AssignGroups(members[1:], partitions); len(got["b"])+len(got["c"]) != 0 {
		t.Errorf("members with other lane counts were given %v", got)
	}
}
