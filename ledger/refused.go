package ledger

import "errors"

// ErrRefused is in the chain of every error that says that a log does not take an entry as it is: it contradicts the
// log, or is none. Appending it again does not help.
var ErrRefused = errors.New("the ledger refuses the entry")
