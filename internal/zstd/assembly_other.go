//go:build !amd64 || nounsafe

package zstd

const useAssembly = false

func (e *Encoder) matchFast(_ []byte, ip, anchor, _ int) (nextIP, nextAnchor int) { return ip, anchor }

func (q *sequences) putFast(out []byte, states *[3]uint32) (acc uint64, used uint32, at int) {
	return q.put(out, states)
}

func (h *huffman) putFast(out, b []byte) (size int) { return h.put(out, b) }

func (r *replay) runFast() {}

func (d *huffmanDecoder) streamsFast(out, b []byte) {}
