package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// peer is the other end of a connection: it keeps what is written and gives a prepared answer.
type peer struct {
	wrote  bytes.Buffer
	writes int
	answer []byte
}

func (p *peer) Write(b []byte) (int, error) {
	p.writes++
	return p.wrote.Write(b)
}

func (p *peer) Read(b []byte) (int, error) {
	if len(p.answer) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.answer)
	p.answer = p.answer[n:]
	return n, nil
}

// framed puts length and correlation id in front of a body.
func framed(correlation int32, body []byte) []byte {
	return append(appendInt32(appendInt32(nil, int32(len(body)+4)), correlation), body...)
}

// request takes a request apart: franz-go reads the body into req.
func request(t *testing.T, raw []byte, req kmsg.Request) (correlation int32, clientID string) {
	t.Helper()
	if got := int(binary.BigEndian.Uint32(raw)); got != len(raw)-4 {
		t.Fatalf("length field is %d, request has %d bytes", got, len(raw)-4)
	}
	c := cursor{b: raw[4:]}
	if key := c.int16(); key != req.Key() {
		t.Fatalf("api key %d, want %d", key, req.Key())
	}
	req.SetVersion(c.int16())
	correlation, clientID = c.int32(), string(c.string())
	if err := req.ReadFrom(c.b); err != nil {
		t.Fatalf("franz-go reads the request: %v", err)
	}
	if !bytes.Equal(req.AppendTo(nil), c.b) {
		t.Fatalf("franz-go writes the request differently: %x, we %x", req.AppendTo(nil), c.b)
	}
	return correlation, clientID
}

func TestBrokerOfRequest(t *testing.T) {
	cluster := protocol.Cluster{Brokers: map[int32]protocol.Broker{3: {ID: 3, Host: "h", Port: 9}}}
	for _, m := range []func(id int32) protocol.BrokerMessage{
		func(id int32) protocol.BrokerMessage { return &Fetch{BrokerID: id} },
		func(id int32) protocol.BrokerMessage { return &Produce{BrokerID: id} },
	} {
		if b, err := m(3).Broker(cluster); err != nil || b.Host != "h" {
			t.Errorf("%T: %v, %v", m(3), b, err)
		}
		if b, err := m(4).Broker(cluster); !errors.Is(err, ErrNoBroker) || b.ID != -1 {
			t.Errorf("%T, unknown broker: %v, %v", m(4), b, err)
		}
	}
}

func TestReadBodyRefuses(t *testing.T) {
	for name, answer := range map[string][]byte{
		"nothing":              nil,
		"half a length":        {0, 0},
		"length below an id":   {0, 0, 0, 3, 0, 0, 0, 1},
		"negative length":      {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
		"another's answer":     framed(2, []byte("body")),
		"cut off":              framed(1, []byte("body"))[:10],
		"cut off after its id": framed(1, []byte("body"))[:8],
		"larger than allowed":  framed(1, make([]byte, 101)),
	} {
		buf := make([]byte, 10)
		if body, err := readBody(&peer{answer: answer}, buf, 100, 1); err == nil || cap(body) == 0 {
			t.Errorf("%s: %q, %v", name, body, err)
		} else if errors.Is(err, ErrTooLarge) != (name == "larger than allowed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	body, err := readBody(&peer{answer: framed(1, []byte("body"))}, nil, 4, 1)
	if err != nil || string(body) != "body" {
		t.Errorf("at the limit: %q, %v", body, err)
	}
}
