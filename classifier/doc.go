// Package classifier decides under whose jurisdiction a record falls: policy and signals in, decision out.
// It is pure: after loading there is no I/O, no goroutine and no clock.
package classifier
