package main

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
)

// judge compares what lies in the sinks with what the generated traffic really was. It knows nothing of the
// router, the classifier or the policy's file: the truth about a record comes from its generator, the expected
// sink from lawful, and another Kafka client reads the topics. Only the directory is read by demarc's own reader.
type judge struct {
	traffic devbroker.Traffic
	topic   string     // the source topic
	shares  []int64    // how many records each source partition has
	found   [][]uint64 // a bit for each of them
	inSink  map[string]uint64
	verdict verdict
}

// verdict counts records; a run without a flaw has all of them Good.
type verdict struct {
	Good       uint64
	Foreign    uint64 // in a sink that the truth does not allow
	Altered    uint64 // key, value, headers or timestamp are not those of the source, or the quarantine headers are wrong
	Duplicate  uint64
	Unknown    uint64 // never written by the generator
	firstFault string
}

func newJudge(load devbroker.Load) *judge {
	j := &judge{traffic: load.Traffic, topic: load.Topic, found: make([][]uint64, load.Partitions), inSink: map[string]uint64{}}
	for p := range load.Partitions {
		j.shares = append(j.shares, load.Share(p))
		j.found[p] = make([]uint64, (load.Share(p)+63)/64)
	}
	return j
}

// lawful is where a record may be, from the truth alone: the demo's policy in eight lines.
func lawful(t devbroker.Truth) []string {
	homes := []string{t.Home, devbroker.Home(t.Seen)}
	switch {
	case t.Fault != devbroker.NoFault:
		return []string{"us-quarantine", "eu-quarantine"}
	case slices.Contains(homes, devbroker.US):
		return []string{"us-oci"}
	case slices.Contains(homes, devbroker.EEA):
		return []string{"eu-fra"}
	}
	return []string{"sg-main"}
}

// see judges one record found in a sink.
func (j *judge) see(sink string, r *kgo.Record) {
	j.inSink[sink]++
	partition, n, ok := devbroker.Identity(r.Key, r.Value)
	if !ok || partition < 0 || int(partition) >= len(j.shares) || n < 0 || n >= j.shares[partition] {
		j.fault(&j.verdict.Unknown, sink, r, "is no record of the source")
		return
	}
	want, truth := j.traffic.Record(partition, n)
	word, bit := &j.found[partition][n/64], uint64(1)<<(n%64)
	switch {
	case !slices.Contains(lawful(truth), sink):
		j.fault(&j.verdict.Foreign, sink, r, fmt.Sprintf("belongs into %v", lawful(truth)))
	case *word&bit != 0:
		j.fault(&j.verdict.Duplicate, sink, r, "is there twice")
	case !j.intact(r, want, truth):
		j.fault(&j.verdict.Altered, sink, r, "is not as it was written")
	default:
		j.verdict.Good++
	}
	*word |= bit
}

// intact compares a record with the one that was written. A quarantined one has four headers more.
func (j *judge) intact(got, want *kgo.Record, truth devbroker.Truth) bool {
	headers := got.Headers
	if truth.Fault != devbroker.NoFault {
		if len(headers) < 4 {
			return false
		}
		ours := headers[len(headers)-4:]
		headers = headers[:len(headers)-4]
		source, _, _ := bytes.Cut(ours[2].Value, []byte("/"))
		if ours[0].Key != record.HeaderReason || string(ours[0].Value) != truth.Fault.Reason().String() ||
			ours[1].Key != record.HeaderSignal || ours[2].Key != record.HeaderSource || string(source) != j.topic || ours[3].Key != record.HeaderPolicy {
			return false
		}
	}
	return same(got.Key, want.Key) && same(got.Value, want.Value) && got.Timestamp.Equal(want.Timestamp) &&
		slices.EqualFunc(headers, want.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && same(a.Value, b.Value) })
}

// same tells null from empty.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func (j *judge) fault(count *uint64, sink string, r *kgo.Record, what string) {
	*count++
	if j.verdict.firstFault == "" {
		j.verdict.firstFault = fmt.Sprintf("%s %s/%d offset %d %s", sink, r.Topic, r.Partition, r.Offset, what)
	}
}

// missing is how many records were in no sink.
func (j *judge) missing() (n uint64) {
	for p, words := range j.found {
		n += uint64(j.shares[p])
		for _, w := range words {
			n -= uint64(bits.OnesCount64(w))
		}
	}
	return n
}

// flawless reports whether every record is where it belongs, once and as it was.
func (j *judge) flawless() bool {
	v := j.verdict
	return j.missing() == 0 && v.Foreign+v.Altered+v.Duplicate+v.Unknown == 0
}
