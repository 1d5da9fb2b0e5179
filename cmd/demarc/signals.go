package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// untilSignal returns a context that ends at the first SIGTERM, SIGINT or SIGHUP: the router drains. The second
// calls abort: what is in flight is given up and delivered again after the next start. The third ends the process.
func untilSignal(log *slog.Logger, abort func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 3)
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) { // what nohup and the like have asked for stays in force
			signal.Notify(signals, s)
		}
	}
	go func() {
		defer signal.Stop(signals)
		obey(ctx, signals, log, cancel, abort, func() { os.Exit(exitUnknown) })
	}()
	return ctx, cancel
}

// sameSignal is how long after the first signal another one is taken for the same: wrappers such as timeout send
// theirs to the process and to its group.
const sameSignal = time.Second

// obey waits for one signal after the other and does what each asks for. It returns if ctx ends before the first.
func obey(ctx context.Context, signals <-chan os.Signal, log *slog.Logger, drain, abort, end func()) {
	select {
	case s := <-signals:
		log.Info("draining what is in flight; a second signal gives it up", "signal", s.String())
		drain()
	case <-ctx.Done():
		return
	}
	first := time.Now()
	s := <-signals
	for ; time.Since(first) < sameSignal; s = <-signals {
		log.Info("signal ignored, it is taken for the first one", "signal", s.String())
	}
	log.Warn("giving up what is in flight; the next start delivers it again", "signal", s.String())
	abort()
	<-signals
	end()
}
