package relay

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/demarc/demarc/internal/wire"
)

// message is one record to write.
type message struct {
	partition  int32
	key, value []byte
	at         int64 // milliseconds since the epoch
}

// batch is an unsealed record batch on its way to a partition.
type batch struct {
	partition int32
	raw       []byte
	count     int32
	done      bool // the broker has it
}

// maxBatch bounds a batch before compression; topics take a MiB unless told otherwise, and preflight looks. It has
// room for any entry.
const maxBatch = 512 << 10

// batches makes record batches of messages, keeping their order within a partition.
func batches(list []message) ([]*batch, error) {
	comp := wire.NewCompressor()
	var out []*batch
	var partitions []int32
	for _, m := range list {
		if !slices.Contains(partitions, m.partition) {
			partitions = append(partitions, m.partition)
		}
	}
	for _, p := range partitions {
		var b wire.Builder
		flush := func() error {
			raw, err := b.Build(nil, wire.Zstd, comp)
			if err != nil {
				return fmt.Errorf("compress entries: %w", err)
			}
			out = append(out, &batch{partition: p, raw: raw, count: int32(b.Count())})
			b.Reset()
			return nil
		}
		for _, m := range list {
			if m.partition != p {
				continue
			}
			if b.Count() > 0 && b.Bytes()+len(m.key)+len(m.value) > maxBatch {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			b.Add(m.at, tail(m.key, m.value))
		}
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// tail is a record behind its offset: key, value, no headers.
func tail(key, value []byte) []byte {
	b := make([]byte, 0, len(key)+len(value)+8)
	b = append(binary.AppendVarint(b, int64(len(key))), key...)
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	return append(b, 0)
}
