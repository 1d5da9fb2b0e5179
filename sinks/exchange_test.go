package sinks

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/demarc/demarc/internal/wire"
)

func newExchange(before func() error) *exchange {
	x := &exchange{
		Produce: &wire.Produce{Partitions: []wire.ProducePartition{{Topic: topic, Batch: make([]byte, 1<<20)}}},
		before:  before,
	}
	x.Required(map[protocol.ApiKey]int16{protocol.Produce: 8})
	return x
}

func nothingAgainst() error { return nil }

func TestRevokeBeforeTheExchange(t *testing.T) {
	x := newExchange(func() error { t.Error("asked"); return nil })
	if x.revoke() {
		t.Error("bytes are said to have left")
	}
	client, server := net.Pipe()
	defer client.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.RawExchange(client); !errors.Is(err, errRevoked) {
		t.Errorf("exchange after revoke: %v", err)
	}
}

// slowConn is a connection in whose Write a batch is being read until some time after it was closed.
type slowConn struct {
	net.Conn
	writing, closed chan struct{}
	reading         atomic.Bool
}

func (c *slowConn) Write([]byte) (int, error) {
	c.reading.Store(true)
	close(c.writing)
	<-c.closed
	for range 1000 {
		runtime.Gosched()
	}
	c.reading.Store(false)
	return 0, net.ErrClosed
}

func (c *slowConn) Close() error {
	close(c.closed)
	return nil
}

func TestRevokeWhileWriting(t *testing.T) {
	x := newExchange(nothingAgainst)
	conn := &slowConn{writing: make(chan struct{}), closed: make(chan struct{})}
	failed := make(chan error, 1)
	go func() {
		_, err := x.RawExchange(conn)
		failed <- err
	}()
	<-conn.writing
	if !x.revoke() {
		t.Error("no bytes are said to have left")
	}
	if conn.reading.Load() {
		t.Error("the connection still reads the batch")
	}
	clear(x.Produce.Partitions[0].Batch)
	if err := <-failed; err == nil {
		t.Error("the exchange succeeded")
	}
	if !x.revoke() {
		t.Error("a second revoke says otherwise")
	}
}

func TestRevokeAfterTheExchange(t *testing.T) {
	no := errors.New("no")
	x := newExchange(func() error { return no })
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if _, err := x.RawExchange(client); !errors.Is(err, no) {
		t.Fatalf("exchange = %v", err)
	}
	if x.revoke() {
		t.Error("bytes are said to have left")
	}
}
