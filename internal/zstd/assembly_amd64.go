//go:build !nounsafe

package zstd

import "golang.org/x/sys/cpu"

// useAssembly says whether the assembly can run. Nearly all machines since 2015 have what it needs. Tests turn it off.
var useAssembly = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasLZCNT
