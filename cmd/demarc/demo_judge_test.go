package main

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// TestJudgeFindsEveryFlaw feeds the judge a perfect delivery, then one with a single flaw of each kind.
func TestJudgeFindsEveryFlaw(t *testing.T) {
	load := devbroker.Load{Topic: "events", Partitions: 2, Records: 601, Traffic: devbroker.Traffic{Seed: 7, Hostile: 500, Roaming: 500}}
	deliver := func(change func(n int, sink *string, r *kgo.Record) (times int)) *judge {
		j := newJudge(load)
		for i := range int(load.Records) {
			r, truth := load.Traffic.Record(int32(i%2), int64(i/2))
			sink := lawful(truth)[0]
			if truth.Fault != devbroker.NoFault {
				r.Headers = append(r.Headers,
					kgo.RecordHeader{Key: "demarc-reason", Value: []byte(truth.Fault.Reason().String())},
					kgo.RecordHeader{Key: "demarc-signal"},
					kgo.RecordHeader{Key: "demarc-source", Value: []byte("events/0/7")},
					kgo.RecordHeader{Key: "demarc-policy", Value: []byte("1 00")})
			}
			for range change(i, &sink, r) {
				j.see(sink, r)
			}
		}
		return j
	}
	if j := deliver(func(int, *string, *kgo.Record) int { return 1 }); !j.flawless() || j.verdict.Good != 601 {
		t.Fatalf("perfect delivery: %+v, %d missing", j.verdict, j.missing())
	}
	for name, tc := range map[string]struct {
		change func(n int, sink *string, r *kgo.Record) int
		count  func(j *judge) uint64
	}{
		"lost": {func(n int, _ *string, _ *kgo.Record) int { return min(n, 1) }, (*judge).missing},
		"twice": {func(n int, _ *string, _ *kgo.Record) int { return 2 - min(n, 1) },
			func(j *judge) uint64 { return j.verdict.Duplicate }},
		"foreign": {func(n int, sink *string, _ *kgo.Record) int {
			if n == 0 {
				*sink = "us-oci, but not ours"
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Foreign }},
		"a byte of the value": {func(n int, _ *string, r *kgo.Record) int {
			if n == 0 {
				r.Value[len(r.Value)-3] ^= 1
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Altered }},
		"a header too many": {func(n int, _ *string, r *kgo.Record) int {
			if n == 0 {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: "x"})
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Altered }},
		"null for empty": {func(n int, _ *string, r *kgo.Record) int {
			for i := range r.Headers {
				if r.Headers[i].Key == "tenant" && n < 50 {
					r.Headers[i].Value = []byte{}
				}
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Altered }},
		"a stranger": {func(n int, _ *string, r *kgo.Record) int {
			if n == 0 {
				r.Key = []byte("9-000000001")
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Unknown }},
		"another reason": {func(_ int, _ *string, r *kgo.Record) int {
			for i := range r.Headers {
				if r.Headers[i].Key == "demarc-reason" && string(r.Headers[i].Value) == "no_signal" {
					r.Headers[i].Value = []byte("refused")
				}
			}
			return 1
		}, func(j *judge) uint64 { return j.verdict.Altered }},
	} {
		if j := deliver(tc.change); j.flawless() || tc.count(j) == 0 || j.verdict.firstFault == "" && name != "lost" {
			t.Errorf("%s: not noticed: %+v", name, j.verdict)
		}
	}
}
