package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends at the first SIGTERM or SIGINT: the router drains. The second calls
// abort: what is in flight is given up and delivered again after the next start. The third ends the process.
func untilSignal(log *slog.Logger, abort func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer signal.Stop(signals)
		select {
		case s := <-signals:
			log.Info("draining what is in flight; a second signal gives it up", "signal", s.String())
			cancel()
		case <-ctx.Done():
			return
		}
		s := <-signals
		log.Warn("giving up what is in flight; the next start delivers it again", "signal", s.String())
		abort()
		<-signals
		os.Exit(exitUnknown)
	}()
	return ctx, cancel
}
