package main

import (
	"errors"
	"io/fs"
	"syscall"
)

// Exit codes, the same for every subcommand: scripts branch on them.
const (
	exitYes     = 0 // done; the answer is yes
	exitNo      = 1 // the answer is no
	exitUsage   = 2 // usage or configuration
	exitUnknown = 3 // could not find out: network, disk
)

// exit is an error that knows the process's exit code. Without a cause nothing is printed: the command has
// already said what there is to say.
type exit struct {
	code  int
	cause error
}

func (e *exit) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exit) Unwrap() error { return e.cause }

// answerNo ends a command whose answer, already printed, is no.
func answerNo() error { return &exit{code: exitNo} }

// usageError is the operator's to mend: an argument, a setting, a policy.
func usageError(cause error) error { return &exit{code: exitUsage, cause: cause} }

// exitCode is the one place that turns an error into an exit code. What nobody classified is exitUnknown, so
// that a script never takes it for an answer. A named file that is not there, is no file or may not be read is
// the caller's mistake; any other failure to read it is the disk's.
func exitCode(err error) int {
	if err == nil {
		return exitYes
	}
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	for _, mistake := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.EISDIR, syscall.ENOTDIR} {
		if errors.Is(err, mistake) {
			return exitUsage
		}
	}
	return exitUnknown
}
