//go:build real

package main_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/devbroker/real"
)

// TestRealSeveral: several instances and a sequencer make one ledger. They are killed, at named steps and at random; the
// ledger verifies all the time, and in the end kcat, claim and recount count the same.
func TestRealSeveral(t *testing.T) {
	authority, err := real.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	w := &tappedWorld{usTap: newTap(t)}
	w.world = newWorldOf(t,
		real.Options{Config: map[string]string{"advertised.listeners": "PLAIN://" + w.usTap.address()}},
		real.Options{Users: map[string]string{"keeper": "hunter6"}, TLS: authority, Mutual: true})
	w.usTap.broker = w.us.Brokers[0]
	w.us.Brokers = []string{w.usTap.address()}
	t.Run("Kills", func(t *testing.T) { testSeveralKills(t, w) })
	t.Run("Secure", func(t *testing.T) { testSeveralSecure(t, w, authority) })
}

// several is a route whose instances share a ledger, which a sequencer writes.
type several struct {
	*witnessed
	sequencing []string // environment
	sequencer  *process
}

// several makes the topics of a ledger on a cluster. access is how the processes reach them.
func (w *tappedWorld) several(t *testing.T, name string, c *real.Cluster, access ...string) *several {
	t.Helper()
	w.fresh(t, name+"-source", mixture)
	for topic, partitions := range map[string]int32{name + ".entries": 3, name + ".checkpoints": 1} {
		if err := c.CreateTopic(t.Context(), topic, partitions, map[string]string{"retention.ms": "-1"}); err != nil {
			t.Fatal(err)
		}
	}
	r := &several{witnessed: &witnessed{route: w.route(t, name, w.us.ID), ledger: filepath.Join(w.dir, name+".ledger")}}
	r.vkey = strings.TrimSpace(r.demarc(t, 0, "ledger", "init", r.ledger, "--origin", "example.com/"+name))
	access = append(access, "DEMARC_LEDGER_TOPIC="+name+".entries", "DEMARC_LISTEN=127.0.0.1:0")
	r.sequencing = slices.Concat(os.Environ(), access, []string{"DEMARC_LEDGER=" + r.ledger, "DEMARC_LEDGER_CHECKPOINTS_TOPIC=" + name + ".checkpoints"})
	r.env = slices.Concat(r.env, access, []string{"DEMARC_SESSION_TIMEOUT=6s", "DEMARC_DRAIN_LIMIT=3s", "DEMARC_PARTITION_BYTES=64KiB"})
	return r
}

// fate is what becomes of the frame at which a process is killed.
type fate string

const (
	lost    fate = "is lost"
	arrives fate = "arrives, and its sender is gone"
	late    fate = "arrives when another has taken over"
)

// step is a frame of a transaction between demarc and the ledger's cluster.
type step struct {
	key    kmsg.Key
	answer bool
	fate   fate
}

func (s step) String() string {
	if s.answer {
		return "the answer to " + kmsg.NameForKey(s.key.Int16()) + " is lost"
	}
	return kmsg.NameForKey(s.key.Int16()) + " " + string(s.fate)
}

var (
	laneSteps = []step{
		{kmsg.InitProducerID, false, lost}, {kmsg.InitProducerID, true, lost}, {kmsg.AddPartitionsToTxn, false, lost},
		{kmsg.Produce, false, lost}, {kmsg.Produce, false, late}, {kmsg.Produce, true, lost},
		{kmsg.EndTxn, false, lost}, {kmsg.EndTxn, false, arrives}, {kmsg.EndTxn, false, late}, {kmsg.EndTxn, true, lost},
	}
	sequencerSteps = []step{
		{kmsg.InitProducerID, false, lost}, {kmsg.InitProducerID, true, lost}, {kmsg.AddPartitionsToTxn, false, lost},
		{kmsg.AddPartitionsToTxn, true, lost}, {kmsg.Produce, false, lost}, {kmsg.Produce, false, arrives}, {kmsg.Produce, true, lost},
		{kmsg.EndTxn, false, lost}, {kmsg.EndTxn, false, arrives}, {kmsg.EndTxn, true, lost},
	}
)

func testSeveralKills(t *testing.T, w *tappedWorld) {
	const portion = 2_000
	r := w.several(t, "several", w.us, "DEMARC_LEDGER_BROKERS="+w.us.Brokers[0])
	r.sequencer = w.launch(t, r.sequencing, "sequence")
	dice := rand.New(rand.NewPCG(5, 6))
	kills := 0
	for i, s := range laneSteps {
		w.fill(t, portion, kgo.ZstdCompression())
		t.Logf("kill %d: an instance: %v", kills+1, s)
		heir := r.killInstanceAt(t, w.usTap, s)
		t.Logf("kill %d: the sequencer: %v", kills+3, sequencerSteps[i])
		r.killSequencerAt(t, w.usTap, sequencerSteps[i], func() { w.fill(t, portion/4, kgo.ZstdCompression()) })
		before := r.committed(t)
		w.fill(t, portion, kgo.ZstdCompression())
		r.waitCommittedPast(t, heir, before+dice.Int64N(portion/2))
		heir.signal(t, syscall.SIGKILL)
		<-heir.exited
		if i < len(laneSteps)-1 { // the last one's lanes move when its session is over
			r.evicted(t)
		}
		kills += 4
		r.verify(t)
	}
	r.finish(t, func() { w.fill(t, portion, kgo.ZstdCompression()) })
	n := r.judgeEvidence(t)
	t.Logf("%d of %d records were delivered twice after %d kills", n, r.next*int64(r.partitions), kills)
	if n == 0 {
		t.Error("no kill made a duplicate: they came too late")
	}
}

// killInstanceAt starts an instance, kills it at a step of a lane's transaction, and returns one that was started beside
// it and takes over.
func (r *several) killInstanceAt(t *testing.T, at *tap, s step) (heir *process) {
	t.Helper()
	point := &heldPoint{key: s.key, answer: s.answer, text: "-lane-"}
	release := at.hold(point)
	first := r.start(t)
	first.until(t, s.String(), point.isReached)
	heir = r.start(t)
	if s.fate != lost {
		first.signal(t, syscall.SIGSTOP) // what is held has left it
	}
	switch s.fate {
	case late:
		before := r.committed(t)
		r.evicted(t)
		r.waitCommittedPast(t, heir, before)
		release(true)
	case arrives:
		release(true)
	}
	r.killed(t, first)
	if s.fate == lost {
		release(false)
	}
	return heir
}

func (r *several) committed(t *testing.T) int64 {
	t.Helper()
	n, err := r.eu.Committed(t.Context(), r.name, r.source)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (r *several) waitCommittedPast(t *testing.T, p *process, past int64) {
	t.Helper()
	p.wait(t, "the heir goes on", func(ctx context.Context) (bool, error) {
		n, err := r.eu.Committed(ctx, r.name, r.source)
		return n > past, err
	})
}

// killSequencerAt kills the sequencer wherever it is, another one at a step of what it says before it signs, and leaves
// a third one running. fill gives it something to sign.
func (r *several) killSequencerAt(t *testing.T, at *tap, s step, fill func()) {
	t.Helper()
	kill := func() {
		r.sequencer.signal(t, syscall.SIGKILL)
		<-r.sequencer.exited
	}
	kill()
	r.verify(t)
	point := &heldPoint{key: s.key, answer: s.answer, text: "demarc-sequencer-"}
	release := at.hold(point)
	r.sequencer = r.launch(t, r.sequencing, "sequence")
	fill()
	r.sequencer.until(t, s.String(), point.isReached)
	if s.fate == arrives {
		r.sequencer.signal(t, syscall.SIGSTOP)
		release(true)
	}
	kill()
	if s.fate == lost {
		release(false)
	}
	r.verify(t)
	r.sequencer = r.launch(t, r.sequencing, "sequence")
}

// finish has two instances deliver what is left, and all processes end in order.
func (r *several) finish(t *testing.T, fill func()) {
	t.Helper()
	first, second := r.start(t), r.start(t)
	second.wait(t, "two members", func(ctx context.Context) (bool, error) {
		n, err := r.eu.Members(ctx, r.name)
		return n == 2, err
	})
	fill()
	for _, p := range []*process{first, second} {
		r.waitCommitted(t, p, r.next*int64(r.partitions))
		p.signal(t, syscall.SIGTERM)
		if code := p.end(t); code != 0 {
			t.Errorf("exit code %d of an instance after SIGTERM", code)
		}
	}
	r.sequencer.signal(t, syscall.SIGTERM)
	if code := r.sequencer.end(t); code != 0 {
		t.Errorf("exit code %d of the sequencer after SIGTERM", code)
	}
	if code := r.launch(t, r.sequencing, "sequence", "--until-end").end(t); code != 0 {
		t.Errorf("exit code %d of sequence --until-end", code)
	}
}

// testSeveralSecure: the ledger's topics behind mutual TLS and SCRAM, the source plain.
func testSeveralSecure(t *testing.T, w *tappedWorld, authority *real.Authority) {
	chain, key, err := authority.Issue("keeper")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, text []byte) string {
		path := filepath.Join(w.dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := w.several(t, "secure", w.eu, "DEMARC_LEDGER_BROKERS="+w.eu.Secure[0], "DEMARC_LEDGER_TLS=true",
		"DEMARC_LEDGER_TLS_CA="+file("keeper.ca", authority.PEM()), "DEMARC_LEDGER_TLS_CERT="+file("keeper.pem", chain), "DEMARC_LEDGER_TLS_KEY="+file("keeper.key", key),
		"DEMARC_LEDGER_SASL_MECHANISM=scram-sha-512", "DEMARC_LEDGER_SASL_USER=keeper", "DEMARC_LEDGER_SASL_PASSWORD_FILE="+file("keeper.password", []byte("hunter6\n")))
	w.fill(t, 4_000, kgo.ZstdCompression())
	for _, args := range [][]string{{"run", r.policy, "--until-end"}, {"sequence", "--until-end"}} {
		env := r.sequencing
		if args[0] == "run" {
			env = r.env
		}
		wrong := w.launch(t, append(slices.Clone(env), "DEMARC_LEDGER_SASL_PASSWORD_FILE="+file("wrong", []byte("hunter7"))), args...)
		if code := wrong.end(t); code != 2 || !strings.Contains(wrong.out.String(), "SASL Authentication Failed") {
			t.Errorf("%s with a wrong password: exit code %d", args[0], code)
		}
		p := w.launch(t, env, args...)
		if code := p.end(t); code != 0 {
			t.Errorf("%s: exit code %d", args[0], code)
		}
		if strings.Contains(wrong.out.String()+p.out.String(), "hunter") {
			t.Errorf("%s shows a password", args[0])
		}
	}
	if n := r.judgeEvidence(t); n != 0 {
		t.Errorf("%d records were delivered twice without a kill", n)
	}
}
