//go:build real

package main_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// tap stands in front of a broker, which advertises the tap's address as its own. It passes every frame on, but for
// the one that a held point waits for: that is how a process is stopped at one step of its work from outside.
type tap struct {
	listener net.Listener
	broker   string // known once the broker runs

	mu    sync.Mutex
	point *heldPoint
	conns map[net.Conn]bool
}

// heldPoint is one frame between demarc and a broker: the first of its kind for which when holds.
type heldPoint struct {
	key     kmsg.Key
	text    string      // somewhere at the beginning of the request
	answer  bool        // the response; else the request
	when    func() bool // nil: always
	reached chan struct{}
	pass    chan bool // whether the frame goes on after all
	once    sync.Once
}

func (p *heldPoint) isReached() bool {
	select {
	case <-p.reached:
		return true
	default:
		return false
	}
}

func newTap(t *testing.T) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tp := &tap{listener: l, conns: map[net.Conn]bool{}}
	t.Cleanup(tp.close)
	go tp.accept()
	return tp
}

func (tp *tap) address() string { return tp.listener.Addr().String() }

func (tp *tap) close() {
	_ = tp.listener.Close()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	for c := range tp.conns {
		_ = c.Close()
	}
}

// hold waits for a frame. The function that it returns ends the wait, and says what becomes of a frame that came.
func (tp *tap) hold(p *heldPoint) (release func(pass bool)) {
	p.reached, p.pass = make(chan struct{}), make(chan bool, 1)
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.point = p
	return func(pass bool) {
		tp.mu.Lock()
		defer tp.mu.Unlock()
		tp.point = nil
		p.pass <- pass
	}
}

// request is what is known of a frame, or of the one that it answers.
type request struct {
	key    kmsg.Key
	client string
	head   []byte
}

// let holds a frame if it is the one that is waited for, and reports whether it goes on.
func (tp *tap) let(r request, answer bool) bool {
	tp.mu.Lock()
	p := tp.point
	tp.mu.Unlock()
	if p == nil || r.client != "demarc" || r.key != p.key || answer != p.answer || !bytes.Contains(r.head, []byte(p.text)) || p.when != nil && !p.when() {
		return true
	}
	mine := false
	p.once.Do(func() { mine = true })
	if !mine {
		return true
	}
	close(p.reached)
	return <-p.pass
}

func (tp *tap) accept() {
	for {
		client, err := tp.listener.Accept()
		if err != nil {
			return
		}
		go tp.serve(client)
	}
}

// serve copies frames both ways until one side ends.
func (tp *tap) serve(client net.Conn) {
	broker, err := net.Dial("tcp", tp.broker)
	if err != nil {
		_ = client.Close()
		return
	}
	tp.mu.Lock()
	tp.conns[client], tp.conns[broker] = true, true
	tp.mu.Unlock()
	var asked sync.Map // correlation id -> request
	var both sync.WaitGroup
	end := func() { _, _ = client.Close(), broker.Close() }
	both.Go(func() {
		defer end()
		frames(client, broker, func(frame []byte) bool {
			r := request{key: kmsg.Key(binary.BigEndian.Uint16(frame)), head: bytes.Clone(frame[:min(len(frame), 200)])}
			if n := int16(binary.BigEndian.Uint16(frame[8:])); n > 0 {
				r.client = string(frame[10 : 10+n])
			}
			asked.Store(binary.BigEndian.Uint32(frame[4:]), r)
			return tp.let(r, false)
		})
	})
	both.Go(func() {
		defer end()
		frames(broker, client, func(frame []byte) bool {
			r, ok := asked.LoadAndDelete(binary.BigEndian.Uint32(frame))
			return !ok || tp.let(r.(request), true)
		})
	})
	both.Wait()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	delete(tp.conns, client)
	delete(tp.conns, broker)
}

// frames copies those that pass; one that does not ends the connection.
func frames(from io.Reader, to io.Writer, pass func(frame []byte) bool) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(from, frame); err != nil || len(frame) < 4 {
			return
		}
		if !pass(frame) {
			return
		}
		if _, err := to.Write(append(size[:], frame...)); err != nil {
			return
		}
	}
}
