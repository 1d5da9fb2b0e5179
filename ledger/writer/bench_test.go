package writer

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/demarc/demarc/ledger"
)

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// BenchmarkAppend is what an entry costs under a load of so many lanes, each of which appends one after the other. The
// figure to look at is cpu-us/entry: user and system time of the process, all of Tessera's goroutines included.
func BenchmarkAppend(b *testing.B) {
	for _, lanes := range []int{1, 4, 32} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			dir, _ := newLog(b)
			l := openLog(b, dir, Options{})
			mustAppend(b, l, policy(b)...)
			begun := cpu(b)
			b.ResetTimer()
			var wait sync.WaitGroup
			for lane := range lanes {
				wait.Go(func() {
					for i := range b.N / lanes {
						e := span(b, "events", int32(lane), int64(i)*1000, int64(i+1)*1000)
						if err := l.Append(context.Background(), []ledger.Entry{e}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wait.Wait()
			b.ReportMetric(float64((cpu(b)-begun).Microseconds())/float64(b.N), "cpu-us/entry")
			b.StopTimer()
			closeLog(b, l)
		})
	}
}
