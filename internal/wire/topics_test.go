package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicsAnswer is what a broker says of a cluster of two brokers, as franz-go writes it.
func topicsAnswer() (body []byte, want []TopicID) {
	res := kmsg.NewPtrMetadataResponse()
	res.SetVersion(TopicIDsVersion)
	rack, cluster := "r1", "id"
	res.ClusterID = &cluster
	for i := range int32(2) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = i, "host", 9092, &rack
		res.Brokers = append(res.Brokers, b)
		rack := "r2"
		b.Rack = &rack
	}
	for i, name := range []string{"events", "gone"} {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = kmsg.StringPtr(name), [16]byte{byte(i + 1), 15: 7}
		if name == "gone" {
			topic.ErrorCode = 3
		}
		for p := range int32(3) {
			part := kmsg.NewMetadataResponseTopicPartition()
			part.Partition, part.Replicas, part.ISR = p, []int32{0, 1}, []int32{1}
			topic.Partitions = append(topic.Partitions, part)
		}
		res.Topics = append(res.Topics, topic)
		want = append(want, TopicID{Topic: name, ID: topic.TopicID, Error: topic.ErrorCode})
	}
	return append([]byte{0}, res.AppendTo(nil)...), want
}

func TestTopicIDs(t *testing.T) {
	body, want := topicsAnswer()
	p := &peer{answer: framed(topicIDsCorrelation, body)}
	got, err := (&TopicIDs{ClientID: "me", Topics: []string{"events", "gone"}}).RawExchange(p)
	if err != nil || !cmp.Equal(got.(*TopicIDsResponse).Topics, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}

	raw := p.wrote.Bytes()
	header := 4 + 2 + 2 + 4 + 2 + len("me")
	if raw[header] != 0 {
		t.Fatal("request header v2 ends with tagged fields")
	}
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(TopicIDsVersion)
	if err := req.ReadFrom(raw[header+1:]); err != nil || len(req.Topics) != 2 || *req.Topics[1].Topic != "gone" || req.AllowAutoTopicCreation {
		t.Errorf("franz-go reads the request as %+v, %v", req, err)
	}
	if again := req.AppendTo(nil); !cmp.Equal(again, raw[header+1:]) {
		t.Errorf("franz-go writes %x, we %x", again, raw[header+1:])
	}
}

func TestTopicIDsCutOff(t *testing.T) {
	body, _ := topicsAnswer()
	for n := range body {
		if got, err := parseTopicIDs(body[:n:n]); err == nil {
			t.Errorf("%d of %d bytes are read as %+v", n, len(body), got)
		}
	}
	if _, err := parseTopicIDs(append(body, 0)); err == nil {
		t.Error("a byte too many is read")
	}
}

func TestTopicIDsOfABroker(t *testing.T) {
	_, _, roundTrip := connect(t, "events")
	m, err := roundTrip(&TopicIDs{Topics: []string{"events", "none"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range m.(*TopicIDsResponse).Topics {
		if known := topic.Error == 0; known != (topic.Topic == "events") || known != (topic.ID != [16]byte{}) {
			t.Errorf("%+v", topic)
		}
	}
}

func FuzzTopicIDs(f *testing.F) {
	body, _ := topicsAnswer()
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = parseTopicIDs(body)
	})
}
