package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// TopicIDsVersion is the version of Metadata that TopicIDs speaks, the first that tells ids (Kafka 2.8, KIP-516).
// kafka-go knows none of them, so whether a broker speaks it has to be asked with ApiVersions.
const TopicIDsVersion = 10

// TopicIDs asks any broker for the ids of topics, for kafka-go's Transport.RoundTrip, which returns a
// [TopicIDsResponse].
type TopicIDs struct {
	ClientID string
	Topics   []string
}

// TopicIDsResponse is the answer to [TopicIDs], in the broker's order.
type TopicIDsResponse struct {
	Topics []TopicID
}

// TopicID is one topic. A topic that was deleted and created again has another id. All zeros: it has none.
type TopicID struct {
	Topic string
	ID    [16]byte
	Error int16
}

var _ protocol.RawExchanger = (*TopicIDs)(nil)

// maxMetadata is what the answer may take: some 40 bytes for a partition, of which a cluster has a few hundred thousand.
const maxMetadata = 64 << 20

// ApiKey implements protocol.Message.
func (t *TopicIDs) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey implements protocol.Message.
func (t *TopicIDsResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required implements protocol.RawExchanger: always.
func (t *TopicIDs) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange implements protocol.RawExchanger.
func (t *TopicIDs) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	request := t.appendRequest(nil)
	setLength(request, len(request))
	if _, err := rw.Write(request); err != nil {
		return nil, fmt.Errorf("ask for topic ids: %w", err)
	}
	body, err := readBody(rw, nil, maxMetadata, topicIDsCorrelation)
	if err != nil {
		return nil, fmt.Errorf("ask for topic ids: %w", err)
	}
	response, err := parseTopicIDs(body)
	if err != nil {
		return nil, fmt.Errorf("ask for topic ids: read answer: %w", err)
	}
	return response, nil
}

// topicIDsCorrelation is the correlation id: a connection has one exchange at a time.
const topicIDsCorrelation = 1

func (t *TopicIDs) appendRequest(dst []byte) []byte {
	dst = appendRequestHeader(dst, protocol.Metadata, TopicIDsVersion, topicIDsCorrelation, t.ClientID)
	dst = append(dst, 0) // no tagged fields: request header v2
	dst = binary.AppendUvarint(dst, uint64(len(t.Topics))+1)
	for _, name := range t.Topics {
		dst = append(dst, make([]byte, 16)...) // by name, not by id
		dst = append(binary.AppendUvarint(dst, uint64(len(name))+1), name...)
		dst = append(dst, 0)
	}
	return append(dst, 0, 0, 0, 0) // create none, tell no rights of cluster or topics, no tagged fields
}

func parseTopicIDs(body []byte) (*TopicIDsResponse, error) {
	c := cursor{b: body}
	c.tags()  // response header v1
	c.int32() // throttle time
	for range c.compactArray(12) {
		c.int32() // broker
		c.compact()
		c.int32()
		c.compact()
		c.tags()
	}
	c.compact() // cluster id
	c.int32()   // controller
	response := &TopicIDsResponse{}
	for range c.compactArray(26) {
		var t TopicID
		t.Error = c.int16()
		t.Topic = string(c.compact())
		copy(t.ID[:], c.take(len(t.ID)))
		c.take(1) // internal
		for range c.compactArray(18) {
			c.take(2 + 4 + 4 + 4) // error, number, leader, its epoch
			for range 3 {         // replicas, those in sync, those offline
				c.take(4 * c.compactArray(4))
			}
			c.tags()
		}
		c.int32() // rights
		c.tags()
		response.Topics = append(response.Topics, t)
	}
	c.int32() // rights of the cluster
	c.tags()
	if err := c.end(); err != nil {
		return nil, err
	}
	return response, nil
}

// The fields of flexible versions (KIP-482).

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// compact is a string, or nil for a null one.
func (c *cursor) compact() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	if n-1 > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	return c.take(int(n - 1))
}

// compactArray is array for flexible versions.
func (c *cursor) compactArray(size int) int {
	n := c.uvarint()
	if n == 0 {
		return 0
	}
	if n-1 > uint64(len(c.b)/size) {
		c.b, c.bad = nil, true
		return 0
	}
	return int(n - 1)
}

// tags passes over tagged fields.
func (c *cursor) tags() {
	for range min(c.uvarint(), uint64(len(c.b))) {
		c.uvarint()
		n := c.uvarint()
		if n > uint64(len(c.b)) {
			c.b, c.bad = nil, true
			return
		}
		c.take(int(n))
	}
}
