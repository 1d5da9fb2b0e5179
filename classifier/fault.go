package classifier

import (
	"fmt"

	"github.com/demarc/demarc/internal/yaml"
)

// Fault is something wrong with a policy, at the key or value that is to blame.
type Fault struct {
	File    string
	Line    int // from 1
	Col     int // in characters, from 1
	Message string
	Warning bool // the policy is loaded all the same
}

// Error is the fault as a compiler would print it: FILE:LINE:COL: message.
func (f Fault) Error() string {
	kind := ""
	if f.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", f.File, f.Line, f.Col, kind, f.Message)
}

func (f Fault) String() string { return f.Error() }

// faults is what was found in a file, all of it warnings or none.
func faults(found []yaml.Fault, warning bool) []Fault {
	var all []Fault
	for _, f := range found {
		all = append(all, Fault{File: f.File, Line: f.Line, Col: f.Col, Message: f.Message, Warning: warning})
	}
	return all
}
