package relay

import (
	"context"
	"testing"

	"github.com/segmentio/kafka-go"
)

// plainTree is a log of some size, all of whose roots are zero.
type plainTree uint64

func (p plainTree) Size() uint64                                            { return uint64(p) }
func (plainTree) RootAt(context.Context, uint64) (root [32]byte, err error) { return root, nil }

// TestAVowTellsOfItsOwnTree: while a checkpoint is on its way to its vow the log grows. What the vow says of the entries
// topic is what that checkpoint's tree bears out, so that a copy of the folder of that size misses nothing.
func TestAVowTellsOfItsOwnTree(t *testing.T) {
	b := newBroker(t)
	g := newGuard(newCluster(config(b.Brokers()), checkpoints), checkpoints)
	if _, err := g.enter(context60(t), origin, plainTree(10)); err != nil {
		t.Fatal(err)
	}
	g.setMark(10, map[int32]int64{0: 100})
	g.setMark(12, map[int32]int64{0: 120})
	for n := range uint64(3 * maxMarks) {
		g.setMark(20+n, map[int32]int64{0: 200 + int64(n)})
	}
	for _, tc := range []struct {
		size uint64
		next int64
	}{{10, 100}, {11, 100}, {19, 120}, {20, 200}, {20 + 3*maxMarks, 199 + 3*maxMarks}} {
		if err := g.beforeSign(tc.size, [32]byte{}); err != nil {
			t.Fatal(err)
		}
		v, err := g.newest(context60(t), kafka.ReadUncommitted)
		if err != nil || v.Size != tc.size || v.Next[0] != tc.next {
			t.Errorf("size %d: %+v, %v; want all below %d", tc.size, v, err, tc.next)
		}
	}
}
