package ledger

import "errors"

// ErrRefused is in the chain of every error that says that a log does not take an entry as it is: it contradicts the
// log, or is none. Appending it again does not help.
var ErrRefused = errors.New("the ledger refuses the entry")

// ErrTakenOver is in the chain of every error that says that another process may append for the partition now.
// Whoever still owns it has to take it over again.
var ErrTakenOver = errors.New("another process may append to the ledger for this partition")
