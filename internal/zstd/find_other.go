//go:build !amd64 || nounsafe

package zstd

const canMatchFast = false

func (e *Encoder) matchFast(_ []byte, ip, anchor, _ int) (nextIP, nextAnchor int) { return ip, anchor }
