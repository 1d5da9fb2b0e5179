package sinks

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"github.com/demarc/demarc/internal/wire"
)

// exchange is one produce request that can be taken back. kafka-go lets a RoundTrip return while its connection
// goes on reading the batches, or has not begun yet; a retry, or a lane that fills the bytes with records of
// another sink, must not meet such a connection. After revoke none has the bytes any more.
type exchange struct {
	*wire.Produce
	before func() error // asked when the connection is there and nothing has been written; an error sends nothing

	mu      sync.Mutex
	revoked bool
	conn    io.Closer
	ended   chan struct{} // made when the exchange begins, closed when it is over
	sent    bool          // bytes of batches may have left
}

var (
	_ protocol.BrokerMessage = (*exchange)(nil)
	_ protocol.RawExchanger  = (*exchange)(nil)
)

var errRevoked = errors.New("produce request was taken back")

// RawExchange implements protocol.RawExchanger.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !x.begin(rw) {
		return nil, errRevoked
	}
	defer close(x.ended)
	if err := x.before(); err != nil {
		return nil, err
	}
	x.sent = true
	return x.Produce.RawExchange(rw)
}

func (x *exchange) begin(rw io.ReadWriter) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.revoked {
		return false
	}
	x.conn, _ = rw.(io.Closer)
	x.ended = make(chan struct{})
	return true
}

// revoke ends the exchange, by closing its connection if it has begun, and waits until it is over. It reports
// whether bytes of batches may have left.
func (x *exchange) revoke() (sent bool) {
	x.mu.Lock()
	x.revoked = true
	conn, ended := x.conn, x.ended
	x.mu.Unlock()
	if ended == nil {
		return false
	}
	select {
	case <-ended:
		return x.sent
	default:
	}
	if conn != nil {
		_ = conn.Close() // it is given up: what Close says is of no use
	}
	<-ended
	return x.sent
}

// initProducer asks one broker for a producer id without a transactional id. kafka-go's own request looks for a
// transaction coordinator first, which needs a right and an internal topic that this does not.
type initProducer struct {
	broker   int32
	clientID string
	version  int16
}

// noProducer asks for a new id; 0 and 0 would name an existing one.
func noProducer() *initproducerid.Request {
	return &initproducerid.Request{ProducerID: -1, ProducerEpoch: -1}
}

func (i *initProducer) ApiKey() protocol.ApiKey { return protocol.InitProducerId }

// Broker implements protocol.BrokerMessage.
func (i *initProducer) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	b, ok := cluster.Brokers[i.broker]
	if !ok {
		return b, fmt.Errorf("broker %d is not in the metadata", i.broker)
	}
	return b, nil
}

// Required implements protocol.RawExchanger.
func (i *initProducer) Required(versions map[protocol.ApiKey]int16) bool {
	i.version = versions[protocol.InitProducerId]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (i *initProducer) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	return protocol.RoundTrip(rw, i.version, 1, i.clientID, noProducer())
}
