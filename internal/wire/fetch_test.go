package wire

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newFetch(version int16) *Fetch {
	f := &Fetch{BrokerID: 1, ClientID: "demarc", MaxWait: 1500 * time.Millisecond, MinBytes: 1, MaxBytes: 50 << 20, Limit: 64 << 20,
		Partitions: []FetchPartition{
			{Topic: "events", Partition: 0, Offset: 100, LeaderEpoch: 7, MaxBytes: 1 << 20},
			{Topic: "events", Partition: 5, Offset: 0, LeaderEpoch: -1, MaxBytes: 2 << 20},
			{Topic: "other", Partition: 0, Offset: 9, LeaderEpoch: -1, MaxBytes: 3 << 20},
		}}
	f.Required(map[protocol.ApiKey]int16{protocol.Fetch: version})
	return f
}

// fetchAnswer is an answer to newFetch, out of order and with an error, as franz-go writes it.
func fetchAnswer(version int16) *kmsg.FetchResponse {
	res := kmsg.NewPtrFetchResponse()
	res.Version, res.ThrottleMillis = version, 12
	topic := func(name string, parts ...kmsg.FetchResponseTopicPartition) {
		t := kmsg.NewFetchResponseTopic()
		t.Topic, t.Partitions = name, parts
		res.Topics = append(res.Topics, t)
	}
	part := func(id int32, code int16, records []byte, aborted ...kmsg.FetchResponseTopicPartitionAbortedTransaction) kmsg.FetchResponseTopicPartition {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.ErrorCode, p.RecordBatches, p.AbortedTransactions = id, code, records, aborted
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 1000+int64(id), 900, 5
		return p
	}
	topic("other", part(0, 0, []byte("other records"), kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 1, FirstOffset: 2}))
	topic("events", part(5, 6, nil),
		part(0, 0, []byte("records"), kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 3, FirstOffset: 4},
			kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 5, FirstOffset: 6}))
	return res
}

func TestFetchExchange(t *testing.T) {
	for version := int16(fetchMin); version <= fetchMax; version++ {
		f := newFetch(version)
		for round := int32(1); round <= 2; round++ { // a Fetch can be sent again
			p := &peer{answer: framed(round, fetchAnswer(version).AppendTo(nil))}
			got, err := f.RawExchange(p)
			if err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			checkFetchRequest(t, version, round, p.wrote.Bytes())

			logStart, res := int64(5), got.(*FetchResponse)
			if version < 5 {
				logStart = -1
			}
			want := &FetchResponse{Throttle: 12 * time.Millisecond, Buffer: fetchAnswer(version).AppendTo(nil), Partitions: []FetchedPartition{
				{Request: 2, Topic: "other", Partition: 0, HighWatermark: 1000, LastStableOffset: 900, LogStart: logStart, Aborted: []AbortedTxn{{1, 2}}, Records: []byte("other records")},
				{Request: 1, Topic: "events", Partition: 5, Error: 6, HighWatermark: 1005, LastStableOffset: 900, LogStart: logStart, Aborted: []AbortedTxn{}},
				{Request: 0, Topic: "events", Partition: 0, HighWatermark: 1000, LastStableOffset: 900, LogStart: logStart, Aborted: []AbortedTxn{{3, 4}, {5, 6}}, Records: []byte("records")},
			}}
			if diff := cmp.Diff(want, res, wholeBytes); diff != "" {
				t.Errorf("v%d (-want +got):\n%s", version, diff)
			}
			if &f.Buffer[0] != &res.Buffer[0] {
				t.Errorf("v%d: the answer is not in the Fetch's buffer", version)
			}
		}
	}
}

func checkFetchRequest(t *testing.T, version int16, round int32, raw []byte) {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	if correlation, client := request(t, raw, req); correlation != round || client != "demarc" || req.Version != version {
		t.Errorf("correlation %d, client %q, v%d", correlation, client, req.Version)
	}
	if req.ReplicaID != -1 || req.MaxWaitMillis != 1500 || req.MinBytes != 1 || req.MaxBytes != 50<<20 || req.IsolationLevel != 1 ||
		req.SessionID != 0 || req.SessionEpoch != -1 || len(req.ForgottenTopics) != 0 || len(req.Topics) != 2 {
		t.Errorf("v%d: %+v", version, req)
	}
	var got []string
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			got = append(got, fmt.Sprint(topic.Topic, p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.LogStartOffset, p.PartitionMaxBytes))
		}
	}
	epoch := 7
	if version < 9 {
		epoch = -1
	}
	want := []string{fmt.Sprint("events", 0, 100, epoch, -1, 1<<20), fmt.Sprint("events", 5, 0, -1, -1, 2<<20), fmt.Sprint("other", 0, 9, -1, -1, 3<<20)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("v%d (-want +got):\n%s", version, diff)
	}
}

func TestFetchVersions(t *testing.T) {
	var f Fetch
	for negotiated, want := range map[int16]int16{0: 0, 3: 3, 4: 4, 10: 10, 11: 10, 17: 10} {
		if !f.Required(map[protocol.ApiKey]int16{protocol.Fetch: negotiated}) || f.version != want {
			t.Errorf("negotiated v%d: v%d, want v%d", negotiated, f.version, want)
		}
	}
	old := newFetch(3)
	p := &peer{}
	if _, err := old.RawExchange(p); err == nil || p.writes > 0 {
		t.Errorf("Fetch v3: %v after %d writes", err, p.writes)
	}
}

func TestFetchSessionError(t *testing.T) {
	res := kmsg.NewPtrFetchResponse()
	res.Version, res.ErrorCode = 10, 71
	got, err := newFetch(10).RawExchange(&peer{answer: framed(1, res.AppendTo(nil))})
	if err != nil || got.(*FetchResponse).Error != 71 || len(got.(*FetchResponse).Partitions) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	whole := fetchAnswer(10).AppendTo(nil)
	for n := range whole {
		if err := newFetch(10).parse(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are read", n, len(whole))
		}
	}
	if err := newFetch(10).parse(append(whole[:len(whole):len(whole)], 0)); err == nil {
		t.Error("a byte after the last field is read")
	}
	for name, c := range map[string]struct {
		change func(*kmsg.FetchResponse)
		want   error
	}{
		"another topic":         {func(r *kmsg.FetchResponse) { r.Topics[0].Topic = "else" }, errNotAsked},
		"another partition":     {func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].Partition = 1 }, errNotAsked},
		"a partition twice":     {func(r *kmsg.FetchResponse) { r.Topics[1].Partitions[0].Partition = 0 }, errTwice},
		"a topic and all twice": {func(r *kmsg.FetchResponse) { r.Topics = append(r.Topics, r.Topics[0]) }, errTwice},
	} {
		res := fetchAnswer(10)
		c.change(res)
		if err := newFetch(10).parse(res.AppendTo(nil)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// lengths that would need gigabytes, at the place of every length
	for at := 0; at+4 <= len(whole); at++ {
		for _, length := range []uint32{0x7fffffff, 0x80000000, 0xfffffffe} {
			body := bytes.Clone(whole)
			put32(body, at, length)
			f := newFetch(10)
			if f.parse(body) != nil && cap(f.response.Partitions)+cap(f.aborted) > 100 {
				t.Errorf("length %#x at %d: memory for %d partitions, %d transactions", length, at, cap(f.response.Partitions), cap(f.aborted))
			}
		}
	}
}

func TestFetchLimit(t *testing.T) {
	f := newFetch(10)
	body := fetchAnswer(10).AppendTo(nil)
	f.Limit = len(body) - 1
	if _, err := f.RawExchange(&peer{answer: framed(1, body)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want %v", err, ErrTooLarge)
	}
	f.Limit = len(body)
	if _, err := f.RawExchange(&peer{answer: framed(2, body)}); err != nil {
		t.Error(err)
	}
}

func TestFetchDoesNotAllocate(t *testing.T) {
	f := newFetch(10)
	body := fetchAnswer(10).AppendTo(nil)
	if n := testing.AllocsPerRun(10, func() {
		f.request = f.appendRequest(f.request[:0])
		if err := f.parse(body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
