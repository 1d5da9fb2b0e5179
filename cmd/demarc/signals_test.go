package main

import (
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		waits []time.Duration // before each signal
		want  string
	}{
		{"one", []time.Duration{0}, "drain"},
		{"one sent twice by a wrapper", []time.Duration{0, 0, 999 * time.Millisecond}, "drain"},
		{"a second", []time.Duration{0, time.Second}, "drain abort"},
		{"a second after a doubled first", []time.Duration{0, 0, time.Minute}, "drain abort"},
		{"a third", []time.Duration{0, time.Second, 0}, "drain abort end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var done []string
				note := func(what string) func() { return func() { done = append(done, what) } }
				signals := make(chan os.Signal)
				go obey(t.Context(), signals, slog.New(slog.DiscardHandler), note("drain"), note("abort"), note("end"))
				for _, wait := range tc.waits {
					time.Sleep(wait) // in the bubble no time passes
					signals <- syscall.SIGTERM
					synctest.Wait()
				}
				if got := strings.Join(done, " "); got != tc.want {
					t.Errorf("done: %q, want %q", got, tc.want)
				}
				for len(done) < 3 { // lets obey return
					time.Sleep(time.Second)
					signals <- syscall.SIGTERM
					synctest.Wait()
				}
			})
		})
	}
}
