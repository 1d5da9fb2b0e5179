//go:build !nounsafe

package zstd

// inGoAlone calls f without the assembly.
func inGoAlone(f func()) {
	fast := canReplayFast
	defer func() { canReplayFast = fast }()
	canReplayFast = false
	f()
}
