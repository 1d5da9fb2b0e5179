//go:build unix && !linux

package real

import "syscall"

// dieWithParent has no counterpart here: a child of a process that crashes stays.
func dieWithParent() *syscall.SysProcAttr { return nil }
