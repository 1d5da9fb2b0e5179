package router

import (
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/wire"
)

func TestUntilEndReachesAnEndInsideACompactedRange(t *testing.T) {
	for name, c := range map[string]struct {
		raw               []byte
		delivered, absent int64
	}{
		"nothing is left before it": {rawBatch(t, 20, 10, wire.None, nil), 0, 5},
		"two records are left":      {slices.Concat(rawBatch(t, 0, 2, wire.None, nil), rawBatch(t, 20, 10, wire.None, nil)), 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			for i := range 5 {
				b.produceToAll(1, i)
			}
			b.serveBatchesAt(map[int64][]byte{0: c.raw, 2: rawBatch(t, 20, 10, wire.None, nil)})
			r := b.router(b.config())
			if err := b.run(b.context(), r); err != nil {
				t.Fatal(err)
			}
			if a := r.Accounts()[0]; a.Consumed != 5 || a.Delivered != c.delivered || a.Absent != c.absent {
				t.Errorf("account %+v", a)
			}
			if at := b.committed()[0]; at != 5 {
				t.Errorf("committed %d", at)
			}
		})
	}
}
