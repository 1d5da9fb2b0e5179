package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/router"
	"github.com/demarc/demarc/sinks"
)

// reading is what the accounts of all partitions say together at one instant.
type reading struct {
	at       time.Time
	settled  int64 // offsets
	lag      int64
	counts   tally
	assigned bool     // the group has assigned partitions, so that the lag is known
	notReady []string // sinks
}

func readAccounts(accounts []router.Account, at time.Time) reading {
	r := reading{at: at, counts: tally{}}
	for _, a := range accounts {
		r.settled += a.Consumed - a.InFlight
		r.lag += a.Lag()
		for outcome, t := range a.Outcomes {
			r.counts[outcome] += uint64(t.Records)
		}
	}
	return r
}

// progressLine tells a person how the service is doing: speed since the reading before, shares since the start.
func progressLine(before, now reading, jurisdictions []string) string {
	speed := 0.0
	if seconds := now.at.Sub(before.at).Seconds(); seconds > 0 {
		speed = float64(now.counts.total()-before.counts.total()) / seconds
	}
	parts := []string{share.Thousands(now.counts.total()) + " records", share.Thousands(uint64(speed)) + "/s"}
	shares := map[record.Set]uint64{}
	for o, n := range now.counts {
		if !o.Reason.Quarantines() {
			shares[o.Set] += n
		}
	}
	for _, o := range now.counts.outcomes() {
		if n, ok := shares[o.Set]; ok && !o.Reason.Quarantines() {
			parts = append(parts, o.Set.Join(jurisdictions)+" "+tenths(n, now.counts.total()))
			delete(shares, o.Set)
		}
	}
	parts = append(parts, "quarantined "+share.Thousands(now.counts.quarantined()))
	if now.assigned {
		parts = append(parts, "lag "+share.Thousands(uint64(now.lag)))
	} else {
		parts = append(parts, "waiting for partitions")
	}
	if len(now.notReady) > 0 {
		parts = append(parts, "not ready: "+strings.Join(now.notReady, ", "))
	}
	return strings.Join(parts, "  ")
}

// tenths is part of whole with one decimal, cut off.
func tenths(part, whole uint64) string {
	n := part * 1000 / max(whole, 1)
	return fmt.Sprintf("%d.%d %%", n/10, n%10)
}

// read is a reading of the whole service.
func (s *service) read(at time.Time) reading {
	now := readAccounts(s.router.Accounts(), at)
	now.assigned = s.router.Apart() == ""
	for i, built := range s.sinks {
		if built.State().Status != sinks.Ready {
			now.notReady = append(now.notReady, s.policy.Sinks[i].Name)
		}
	}
	return now
}

// showProgress rewrites the terminal's last line twice a second until ctx ends.
func (s *service) showProgress(ctx context.Context, t *terminal) {
	if !t.screen {
		return
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	defer t.show("")
	before := s.read(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			now := s.read(at)
			t.show(progressLine(before, now, s.policy.JurisdictionNames()))
			before = now
		}
	}
}
