package real

import "syscall"

// dieWithParent lets the kernel end a child when this process ends, however it does.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
