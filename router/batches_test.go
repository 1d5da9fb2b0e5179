package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// rawBatch builds a batch of n US records as a broker stores it.
func rawBatch(t *testing.T, base int64, n int, codec wire.Codec, value []byte) []byte {
	t.Helper()
	var b wire.Builder
	for i := range n {
		tagged := []record.Header{{Key: []byte("account-country"), Value: []byte("US")}}
		if err := b.AddWithHeaders(1_700_000_000_000+int64(i), tail(fmt.Append(nil, "0/", i), value), tagged); err != nil {
			t.Fatal(err)
		}
	}
	comp := wire.NewCompressor()
	raw, err := b.Build(nil, codec, comp)
	if err != nil {
		t.Fatal(err)
	}
	wire.SealAt(raw, base)
	return raw
}

// tail is the tail of a record without headers.
func tail(key, value []byte) []byte {
	b := append(binary.AppendVarint(nil, int64(len(key))), key...)
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	return binary.AppendVarint(b, 0)
}

// reseal puts the right CRC over bytes that a test has changed.
func reseal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// shortRecord makes the first record of a batch end before its last header does.
func shortRecord(raw []byte) []byte {
	raw[61] -= 2 // zigzag: one byte less
	return reseal(raw)
}

func TestBatchThatCannotBeReadWholeStopsItsPartition(t *testing.T) {
	whole := rawBatch(t, 0, 3, wire.Gzip, []byte("x"))
	cases := map[string]struct {
		raw  []byte
		want string
	}{
		"wrong CRC":                {slices.Concat(whole[:40], []byte{whole[40] ^ 1}, whole[41:]), "CRC"},
		"damaged section":          {reseal(append(bytes.Clone(whole[:61]), bytes.Repeat([]byte{7}, len(whole)-61)...)), "gzip"},
		"expands beyond the limit": {rawBatch(t, 0, 1, wire.Zstd, make([]byte, 3<<20)), "limit"},
		"message format 1":         {slices.Concat(whole[:16], []byte{1}, whole[17:]), "v0 or v1"},
		"unknown codec":            {reseal(slices.Concat(whole[:22], []byte{6}, whole[23:])), "codec"},
		"a good batch before it":   {append(rawBatch(t, 0, 3, wire.None, nil), shortRecord(rawBatch(t, 3, 1, wire.None, nil))...), "record"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			for i := range 4 { // so that there is an end to reach
				b.produceToAll(1, i)
			}
			b.serveBatches(c.raw)
			cfg := b.config()
			cfg.MaxBatchBytes = 2 << 20
			r := b.router(cfg)
			err := b.run(b.context(), r)
			if err == nil || !strings.Contains(err.Error(), "partition events/0 stopped") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run = %v, want the partition to stop for %q", err, c.want)
			}
			for i, s := range b.sinks {
				if n := len(s.snapshot()); n > 0 {
					t.Errorf("sink %d got %d records", i, n)
				}
			}
			if at, ok := b.committed()[0]; ok && at > 0 {
				t.Errorf("committed %d", at)
			}
			if metric(r, `demarc_partition_stopped{topic="events",partition="0"}`) != 1 {
				t.Error("no metric")
			}
		})
	}
}

func TestOffsetHolesCountAsAbsentAndTile(t *testing.T) {
	b := newBench(t, 1)
	for i := range 30 {
		b.produceToAll(1, i)
	}
	// As compaction leaves it: offsets 0-1 gone, three records in a batch that spans 2-8, nothing in 9-19 but an
	// empty batch, and a batch from 20 on.
	holey := rawBatch(t, 2, 3, wire.None, nil)
	binary.BigEndian.PutUint32(holey[23:], 6) // last offset delta
	empty := rawBatch(t, 9, 1, wire.None, nil)[:61]
	binary.BigEndian.PutUint32(empty[8:], 61-12)
	binary.BigEndian.PutUint32(empty[23:], 10)
	binary.BigEndian.PutUint32(empty[57:], 0)
	b.serveBatches(slices.Concat(reseal(holey), reseal(empty), rawBatch(t, 20, 10, wire.Zstd, nil)))
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	a := r.Accounts()[0]
	if a.Consumed != 30 || a.Delivered != 13 || a.Absent != 17 || a.Position != 30 {
		t.Errorf("account %+v", a)
	}
	if got := metric(r, `demarc_offsets_total{topic="events",kind="absent"}`); got != 17 {
		t.Errorf("metric says %d absent", got)
	}
	if at := b.committed()[0]; at != 30 {
		t.Errorf("committed %d", at)
	}
}

func TestLogAppendTimeBecomesTheRecordsTimestamp(t *testing.T) {
	b := newBench(t, 1)
	for i := range 400 {
		b.produceToAll(1, i)
	}
	raw := rawBatch(t, 0, 400, wire.None, bytes.Repeat([]byte("v"), 100))
	raw[22] |= 0x08
	stamp := time.UnixMilli(1_800_000_000_000)
	binary.BigEndian.PutUint64(raw[35:], uint64(stamp.UnixMilli()))
	b.serveBatches(reseal(raw))
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	got := b.sinks[us].snapshot()
	if len(got) != 400 {
		t.Fatalf("%d records", len(got))
	}
	for _, s := range got {
		if s.millis != stamp.UnixMilli() {
			t.Fatalf("timestamp %d, want the time of the append", s.millis)
		}
	}
	if n := metric(r, `demarc_source_batches_total{topic="events",path="passed"}`); n != 0 {
		t.Errorf("%d batches of append time passed through", n)
	}
}

func TestDamageLeavesWhatIsInFlightBeforeItAlone(t *testing.T) {
	b := newBench(t, 1)
	for i := range 6 {
		b.produceToAll(1, i)
	}
	b.sinks[us].setDown(true)
	b.serveBatchesAt(map[int64][]byte{
		0: rawBatch(t, 0, 3, wire.None, nil),
		3: shortRecord(rawBatch(t, 3, 1, wire.None, nil)),
	})
	r := b.router(b.config())
	done := make(chan error)
	go func() { done <- r.Run(b.context()) }()
	b.sinks[us].until(t, "the records before the damage", func(m *memory) bool { return len(m.waiting) == 1 })
	waitFor(t, "the partition to stop", func() bool { return len(r.Stopped()) == 1 && r.Accounts()[0].InFlight == 3 })
	b.sinks[us].setDown(false)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "partition events/0 stopped") {
		t.Fatalf("Run = %v", err)
	}
	checkAccounts(t, r, 0)
	if a := r.Accounts()[0]; a.Delivered != 3 || a.Position != 3 {
		t.Errorf("account %+v: the sink acknowledged 3 records before the damage", a)
	}
	if at := b.committed()[0]; at != 3 {
		t.Errorf("committed %d, want 3: all before the damage is delivered", at)
	}
}
