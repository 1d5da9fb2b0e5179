//go:build !nounsafe

package zstd

// inGoAlone calls f without the assembly.
func inGoAlone(f func()) {
	fast := useAssembly
	defer func() { useAssembly = fast }()
	useAssembly = false
	f()
}
