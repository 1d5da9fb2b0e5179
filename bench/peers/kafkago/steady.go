package main

import (
	"fmt"
	"os"
	"syscall"
)

// warmUp is the part of the records, one in so many, that the steady state leaves out.
const warmUp = 5

// steady measures the processor time of the process from the delivery of the first fifth of the records on, so
// that what a start costs is not part of it.
type steady struct {
	total, delivered int64
	from             int64 // delivered when the measurement began
	begun            int64 // processor time then, in microseconds; 0: not begun
}

// add counts delivered records.
func (s *steady) add(n int64) {
	s.delivered += n
	if s.begun == 0 && s.delivered*warmUp >= s.total {
		s.from, s.begun = s.delivered, processorTime()
	}
}

// print ends the measurement.
func (s *steady) print() {
	s.add(0)
	fmt.Fprintf(os.Stderr, "steady %d %d\n", processorTime()-s.begun, s.delivered-s.from)
}

// processorTime is what the process has taken so far, user and system, in microseconds.
func processorTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // never for the own process
	}
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}
