package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newProduce has two small batches around a large one.
func newProduce(version int16) *Produce {
	p := &Produce{BrokerID: 1, ClientID: "demarc", Timeout: 30 * time.Second, Partitions: []ProducePartition{
		{Topic: "us", Partition: 3, Batch: []byte("first batch")},
		{Topic: "us", Partition: 0, Batch: bytes.Repeat([]byte("b"), direct)},
		{Topic: "eu", Partition: 3, Batch: []byte("last batch")},
	}}
	p.Required(map[protocol.ApiKey]int16{protocol.Produce: version})
	return p
}

func produceAnswer(version int16) *kmsg.ProduceResponse {
	res := kmsg.NewPtrProduceResponse()
	res.Version, res.ThrottleMillis = version, 12
	part := func(id int32, code int16, offset int64) kmsg.ProduceResponseTopicPartition {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = id, code, offset, -1, 7
		return p
	}
	refused := part(3, 87, -1)
	message, why := "One or more records have been rejected", "too old"
	refused.ErrorMessage = &message
	refused.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 2, ErrorMessage: &why}, {RelativeOffset: 9}}
	eu, us := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopic()
	eu.Topic, eu.Partitions = "eu", []kmsg.ProduceResponseTopicPartition{refused}
	us.Topic, us.Partitions = "us", []kmsg.ProduceResponseTopicPartition{part(3, 0, 40), part(0, 0, 50)}
	res.Topics = []kmsg.ProduceResponseTopic{eu, us}
	return res
}

func TestProduceExchange(t *testing.T) {
	for version := int16(produceMin); version <= produceMax; version++ {
		p := newProduce(version)
		for round := int32(1); round <= 2; round++ { // a Produce can be sent again
			conn := &peer{answer: framed(round, produceAnswer(version).AppendTo(nil))}
			got, err := p.RawExchange(conn)
			if err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			if conn.writes != 3 {
				t.Errorf("v%d: %d writes, want 3: up to the large batch, the batch, the rest", version, conn.writes)
			}
			checkProduceRequest(t, p, version, round, conn.wrote.Bytes())

			logStart, message, records := int64(7), "One or more records have been rejected", []RecordError{{2, "too old"}, {9, ""}}
			if version < 5 {
				logStart = -1
			}
			if version < 8 {
				message, records = "", nil
			}
			want := &ProduceResponse{Throttle: 12 * time.Millisecond, Partitions: []ProducedPartition{
				{Request: 2, Topic: "eu", Partition: 3, Error: 87, BaseOffset: -1, LogAppendTime: -1, LogStart: logStart, RecordErrors: records, Message: message},
				{Request: 0, Topic: "us", Partition: 3, BaseOffset: 40, LogAppendTime: -1, LogStart: logStart},
				{Request: 1, Topic: "us", Partition: 0, BaseOffset: 50, LogAppendTime: -1, LogStart: logStart},
			}}
			if diff := cmp.Diff(want, got, wholeBytes); diff != "" {
				t.Errorf("v%d (-want +got):\n%s", version, diff)
			}
		}
	}
}

func checkProduceRequest(t *testing.T, p *Produce, version int16, round int32, raw []byte) {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	if correlation, client := request(t, raw, req); correlation != round || client != "demarc" || req.Version != version {
		t.Errorf("correlation %d, client %q, v%d", correlation, client, req.Version)
	}
	if req.TransactionID != nil || req.Acks != -1 || req.TimeoutMillis != 30000 || len(req.Topics) != 2 {
		t.Errorf("v%d: transaction %v, acks %d, timeout %d, %d topics", version, req.TransactionID, req.Acks, req.TimeoutMillis, len(req.Topics))
	}
	var got []ProducePartition
	for _, topic := range req.Topics {
		for _, part := range topic.Partitions {
			got = append(got, ProducePartition{Topic: topic.Topic, Partition: part.Partition, Batch: part.Records})
		}
	}
	if diff := cmp.Diff(p.Partitions, got, wholeBytes, cmpopts.IgnoreFields(ProducePartition{}, "Room")); diff != "" {
		t.Errorf("v%d (-want +got):\n%s", version, diff)
	}
}

// TestProduceRoom: what stands before a batch is written into the room before it, and only there.
func TestProduceRoom(t *testing.T) {
	const size = ProduceRoom + direct
	guard := bytes.Repeat([]byte("g"), 16)
	batch := bytes.Repeat([]byte("b"), direct)
	first := &stuck{n: 1} // has what stands before the batch, since the batch itself cannot be written
	if err := newProduce(8).write(first); err == nil {
		t.Fatal("a batch without room was written with what stands before it")
	}
	need := first.wrote.Len()
	for name, c := range map[string]struct {
		room   func(memory []byte) []byte // memory[16:] begins with the room, behind which the batch lies
		writes int
	}{
		"room":               {func(m []byte) []byte { return m[16:][:ProduceRoom] }, 2},
		"just enough":        {func(m []byte) []byte { return m[16+ProduceRoom-need:][:need] }, 2},
		"too little":         {func(m []byte) []byte { return m[16+ProduceRoom-need+1:][:need-1] }, 3},
		"none":               {func([]byte) []byte { return nil }, 3},
		"elsewhere":          {func([]byte) []byte { return make([]byte, ProduceRoom, size) }, 3},
		"not right before":   {func(m []byte) []byte { return m[16:][:ProduceRoom-1] }, 3},
		"without the batch":  {func(m []byte) []byte { return m[16:][:ProduceRoom:ProduceRoom] }, 3},
		"of a smaller batch": {func(m []byte) []byte { return m[16:][: ProduceRoom : size-1] }, 3},
	} {
		memory := append(append(bytes.Clone(guard), make([]byte, ProduceRoom)...), batch...)
		p := newProduce(8)
		p.Partitions[1].Batch = memory[16+ProduceRoom:]
		p.Partitions[1].Room = c.room(memory)
		for round := int32(1); round <= 2; round++ {
			conn := &peer{answer: framed(round, produceAnswer(8).AppendTo(nil))}
			if _, err := p.RawExchange(conn); err != nil {
				t.Fatal(err)
			}
			if conn.writes != c.writes {
				t.Errorf("%s: %d writes, want %d", name, conn.writes, c.writes)
			}
			checkProduceRequest(t, p, 8, round, conn.wrote.Bytes())
		}
		if !bytes.HasPrefix(memory, guard) || !bytes.Equal(memory[16+ProduceRoom:], batch) {
			t.Errorf("%s: more than the room was written to", name)
		}
	}
}

// TestProduceRoomIsEnough for the longest names.
func TestProduceRoomIsEnough(t *testing.T) {
	name := strings.Repeat("n", 249)
	memory := make([]byte, ProduceRoom+direct)
	p := &Produce{
		ClientID: name, TransactionalID: name,
		Partitions: []ProducePartition{{Topic: name, Batch: memory[ProduceRoom:], Room: memory[:ProduceRoom]}},
	}
	conn := &peer{}
	if err := p.write(conn); err != nil || conn.writes != 1 {
		t.Errorf("%d writes, %v", conn.writes, err)
	}
}

func TestProduceVersions(t *testing.T) {
	var p Produce
	for negotiated, want := range map[int16]int16{0: 0, 2: 2, 3: 3, 8: 8, 12: 8} {
		if !p.Required(map[protocol.ApiKey]int16{protocol.Produce: negotiated}) || p.version != want {
			t.Errorf("negotiated v%d: v%d, want v%d", negotiated, p.version, want)
		}
	}
	old := newProduce(2)
	conn := &peer{}
	if _, err := old.RawExchange(conn); err == nil || conn.writes > 0 {
		t.Errorf("Produce v2: %v after %d writes", err, conn.writes)
	}
}

// stuck fails at the n-th write.
type stuck struct {
	peer
	n int
}

func (s *stuck) Write(b []byte) (int, error) {
	if s.writes == s.n {
		return 0, io.ErrClosedPipe
	}
	return s.peer.Write(b)
}

func TestProduceWriteFails(t *testing.T) {
	for n := range 3 {
		if _, err := newProduce(8).RawExchange(&stuck{n: n}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write %d fails: %v", n, err)
		}
	}
	if _, err := newFetch(10).RawExchange(&stuck{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write of a Fetch fails: %v", err)
	}
}

func TestProduceRefuses(t *testing.T) {
	whole := produceAnswer(8).AppendTo(nil)
	for n := range whole {
		if err := newProduce(8).parse(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are read", n, len(whole))
		}
	}
	if err := newProduce(8).parse(append(whole[:len(whole):len(whole)], 0)); err == nil {
		t.Error("a byte after the last field is read")
	}
	for name, c := range map[string]struct {
		change func(*kmsg.ProduceResponse)
		want   error
	}{
		"another topic":       {func(r *kmsg.ProduceResponse) { r.Topics[0].Topic = "asia" }, errNotAsked},
		"another partition":   {func(r *kmsg.ProduceResponse) { r.Topics[0].Partitions[0].Partition = 1 }, errNotAsked},
		"a partition twice":   {func(r *kmsg.ProduceResponse) { r.Topics[1].Partitions[1].Partition = 3 }, errTwice},
		"a partition missing": {func(r *kmsg.ProduceResponse) { r.Topics = r.Topics[:1] }, errMissing},
		"no partition":        {func(r *kmsg.ProduceResponse) { r.Topics = nil }, errMissing},
	} {
		res := produceAnswer(8)
		c.change(res)
		if err := newProduce(8).parse(res.AppendTo(nil)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	conn := &peer{answer: framed(1, whole[:9])}
	if _, err := newProduce(8).RawExchange(conn); !errors.Is(err, errBody) {
		t.Errorf("a body cut off: %v", err)
	}
}

func ExampleSeal() {
	var b Builder
	b.Add(1700000000000, []byte{1, 4, 'h', 'i', 0}) // null key, value "hi", no headers
	batch, err := b.Build(nil, None, nil)
	if err != nil {
		panic(err)
	}
	Seal(batch, -1, -1, -1)
	first, _, err := Next(batch)
	fmt.Println(first.Count(), first.Check(), err)
	// Output: 1 <nil> <nil>
}

// TestProduceInATransaction: the id goes with sealed batches and with nothing else.
func TestProduceInATransaction(t *testing.T) {
	sealed := built(t)
	SealTransactional(sealed, 7, 1, 0)
	if err := (Batch{Raw: sealed}).Check(); err != nil {
		t.Fatal(err)
	}
	plain := built(t)
	Seal(plain, 7, 1, 0)
	for _, c := range []struct {
		id    string
		batch []byte
		sent  bool
	}{{"demarc-lane-1", sealed, true}, {"demarc-lane-1", plain, false}, {"", sealed, false}, {"", plain, true}} {
		p := &Produce{Partitions: []ProducePartition{{Topic: "entries", Batch: c.batch}}, TransactionalID: c.id}
		p.Required(map[protocol.ApiKey]int16{protocol.Produce: produceMax})
		conn := &peer{}
		_, _ = p.RawExchange(conn) // there is no answer
		if sent := conn.wrote.Len() > 0; sent != c.sent {
			t.Errorf("id %q, transactional %v: sent %v, want %v", c.id, Batch{Raw: c.batch}.Transactional(), sent, c.sent)
		}
		if !c.sent {
			continue
		}
		req := kmsg.NewPtrProduceRequest()
		request(t, conn.wrote.Bytes(), req)
		if got := req.TransactionID; (got == nil) != (c.id == "") || got != nil && *got != c.id {
			t.Errorf("id %q: the request says %v", c.id, got)
		}
	}
}
