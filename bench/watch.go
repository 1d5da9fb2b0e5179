//go:build linux

package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// watch follows a process from outside.
type watch struct {
	broker  *broker
	sinks   map[string]int32
	listen  string // where it may show metrics
	records int64  // that it has to route

	samples curve
	memory  int64
	counted [2]mallocCount // at the begin and at the end of the steady state
}

type mallocCount struct {
	records int64
	mallocs float64
}

const (
	watchInterval = 5 * time.Millisecond
	// watchShare bounds what watching costs the broker: it is asked for one part in about so many of the time.
	watchShare = 10
)

// run samples until ctx ends or the process does.
func (w *watch) run(ctx context.Context, pid int, begun time.Time) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		asked := time.Now()
		arrived, err := w.broker.ends(ctx, w.sinks)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		used, err := processorTime(pid)
		if err != nil {
			return nil // it has ended
		}
		w.samples = append(w.samples, sample{at: time.Since(begun), used: used, records: arrived})
		if most, err := peakMemory(pid); err == nil {
			w.memory = most
		}
		w.countMallocs(ctx, arrived)
		timer.Reset(max(watchInterval, watchShare*time.Since(asked)))
	}
}

// countMallocs asks the process twice: asking more often would cost it.
func (w *watch) countMallocs(ctx context.Context, arrived int64) {
	share := float64(arrived) / float64(w.records)
	at := &w.counted[0]
	if at.records > 0 {
		at = &w.counted[1]
		if share < steadyTo {
			return
		}
	}
	if share < steadyFrom || at.records > 0 {
		return
	}
	at.records = arrived
	at.mallocs = scrapeMallocs(ctx, w.listen)
}

// mallocs is how many allocations a record takes; -1 if the process does not say.
func (w *watch) mallocs() float64 {
	from, to := w.counted[0], w.counted[1]
	if from.mallocs < 0 || to.mallocs <= from.mallocs || to.records <= from.records {
		return -1
	}
	return (to.mallocs - from.mallocs) / float64(to.records-from.records)
}

var mallocsMetric = regexp.MustCompile(`(?m)^go_memstats_mallocs_total (\S+)$`)

func scrapeMallocs(ctx context.Context, listen string) float64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return -1
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return -1
	}
	m := mallocsMetric.FindSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return -1
	}
	return n
}
