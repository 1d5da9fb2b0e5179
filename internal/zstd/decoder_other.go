//go:build !amd64 || nounsafe

package zstd

// runFast returns how many sequences it leaves to run.
func (r *replay) runFast() int { return r.left }
