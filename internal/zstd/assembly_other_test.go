//go:build !amd64 || nounsafe

package zstd

func inGoAlone(f func()) { f() }
