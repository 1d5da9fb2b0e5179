//go:build real

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/devbroker/real"
	"github.com/demarc/demarc/router/recount"
)

// What the ledger promises when a process is killed, its disk is full or its folder is an old copy, kept against
// Apache Kafka: kcat, demarc verify, demarc claim and demarc recount judge, which share no code with what wrote.
func TestRealLedger(t *testing.T) {
	w := newTappedWorld(t)
	t.Run("Kills", func(t *testing.T) { testLedgerKills(t, w) })
	t.Run("DiskFull", func(t *testing.T) { testLedgerDiskFull(t, w) })
	t.Run("SIGTERM", func(t *testing.T) { testLedgerTerminated(t, w) })
	t.Run("OldCopy", func(t *testing.T) { testLedgerOldCopy(t, w) })
}

// tappedWorld is a world with a tap in front of both brokers.
type tappedWorld struct {
	*world
	usTap, euTap *tap
}

func newTappedWorld(t *testing.T) *tappedWorld {
	t.Helper()
	w := &tappedWorld{usTap: newTap(t), euTap: newTap(t)}
	options := func(tp *tap) real.Options {
		return real.Options{Config: map[string]string{"advertised.listeners": "PLAIN://" + tp.address()}}
	}
	w.world = newWorldOf(t, options(w.usTap), options(w.euTap))
	w.usTap.broker, w.euTap.broker = w.us.Brokers[0], w.eu.Brokers[0]
	w.us.Brokers, w.eu.Brokers = []string{w.usTap.address()}, []string{w.euTap.address()}
	return w
}

// witnessed is a route with a ledger.
type witnessed struct {
	*route
	ledger, vkey string
}

func (w *tappedWorld) witnessed(t *testing.T, name string) *witnessed {
	t.Helper()
	w.fresh(t, name+"-source", mixture)
	r := &witnessed{route: w.route(t, name, w.us.ID), ledger: filepath.Join(w.dir, name+".ledger")}
	r.env = append(r.env, "DEMARC_SESSION_TIMEOUT=6s", "DEMARC_DRAIN_LIMIT=3s", "DEMARC_LEDGER="+r.ledger)
	r.vkey = strings.TrimSpace(r.demarc(t, 0, "ledger", "init", r.ledger, "--origin", "example.com/"+name))
	return r
}

// demarc runs a command and wants its exit code.
func (r *witnessed) demarc(t *testing.T, code int, args ...string) (out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.binary, args...)
	cmd.Env = r.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("demarc %s: %v, want exit code %d\n%s%s", strings.Join(args, " "), err, code, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func (r *witnessed) verify(t *testing.T) {
	t.Helper()
	r.demarc(t, 0, "verify", r.ledger, "--key", r.vkey)
}

// size is how many entries are durable.
func (r *witnessed) size(t *testing.T) int {
	text, err := os.ReadFile(filepath.Join(r.ledger, ".state", "treeState"))
	var tree struct{ Size int }
	if err := errors.Join(err, json.Unmarshal(text, &tree)); err != nil {
		t.Error(err)
	}
	return tree.Size
}

// signed is the size of the last checkpoint.
func (r *witnessed) signed(t *testing.T) int {
	text, err := os.ReadFile(filepath.Join(r.ledger, "checkpoint"))
	var size int
	if _, scanned := fmt.Sscanf(string(text), "example.com/"+r.name+"\n%d\n", &size); err != nil || scanned != nil {
		t.Errorf("checkpoint: %v, %v", err, scanned)
	}
	return size
}

// killed ends a process as a crash does, and its membership too, which a crash would leave to its session's end.
func (r *witnessed) killed(t *testing.T, p *process) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.exited
	r.evicted(t)
}

// evicted ends all memberships; who lives joins again.
func (r *witnessed) evicted(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(patience); ; { // a cluster's first look for a coordinator makes one
		err := r.eu.Evict(t.Context(), r.name)
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// until waits, closely, for what a process does to its ledger.
func (p *process) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !holds() {
		select {
		case <-p.exited:
			t.Fatalf("demarc ended before %s: %v", what, p.err)
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// ownEntries is how many entries a start makes before its first range: pins of four sinks and a span. The first
// start of a ledger makes one more, the policy.
const ownEntries = 5

// moment waits until a process is where it is to be killed.
type moment struct {
	name string
	wait func(t *testing.T, r *witnessed, p *process, base int) // base is the ledger's size before the start
	tap  func(r *witnessed, base int) (*tap, *heldPoint)        // instead
	land bool                                                   // the frame that was held reaches the other side after the kill
	term bool                                                   // SIGTERM comes first, once the first range is there

	settle bool // everything is delivered before, so that what the kill leaves behind can be told
}

func (w *tappedWorld) moments() []moment {
	var list []moment
	grown := func(name string, by int) {
		list = append(list, moment{name: name, wait: func(t *testing.T, r *witnessed, p *process, base int) {
			p.until(t, name, func() bool { return r.size(t) >= base+by })
		}})
	}
	held := func(name string, at *tap, key kmsg.Key, answer, land bool) {
		list = append(list, moment{name: name, land: land, settle: key == kmsg.Produce, tap: func(*witnessed, int) (*tap, *heldPoint) {
			return at, &heldPoint{key: key, answer: answer}
		}})
	}
	held("before the first entry: a sink is being opened", w.usTap, kmsg.InitProducerID, false, false)
	grown("policy told", 1)
	grown("one sink's pins told", 1)
	grown("three sinks' pins told", 3)
	held("before the span: the source's ends are asked for", w.euTap, kmsg.ListOffsets, false, false)
	grown("span told", ownEntries)
	held("joining the group", w.euTap, kmsg.JoinGroup, true, false)
	held("fetched", w.euTap, kmsg.Fetch, true, false)
	held("a batch lost on its way to a sink", w.usTap, kmsg.Produce, false, false)
	held("a batch that lands after the kill", w.usTap, kmsg.Produce, false, true)
	held("stored, before the ack, in the US", w.usTap, kmsg.Produce, true, false)
	held("stored, before the ack, in the EU", w.euTap, kmsg.Produce, true, false)
	list = append(list, moment{name: "acknowledged, before the entry", wait: func(t *testing.T, r *witnessed, p *process, base int) {
		p.until(t, "span told", func() bool { return r.size(t) >= base+ownEntries })
		limitFiles(t, p, 1)
		p.until(t, "the ledger fails", func() bool { return strings.Contains(p.out.String(), "ledger cannot be written") })
	}})
	grown("first range told", ownEntries+1)
	for _, land := range []bool{false, true} {
		list = append(list, moment{
			name: fmt.Sprintf("entry durable, before the commit (lands: %t)", land), land: land,
			tap: func(r *witnessed, base int) (*tap, *heldPoint) {
				return w.euTap, &heldPoint{key: kmsg.OffsetCommit, when: r.ranged(base)}
			},
		})
	}
	list = append(list, moment{name: "committed, before the answer", tap: func(r *witnessed, base int) (*tap, *heldPoint) {
		return w.euTap, &heldPoint{key: kmsg.OffsetCommit, answer: true, when: r.ranged(base)}
	}})
	list = append(list, moment{name: "tree ahead of its checkpoint", wait: func(t *testing.T, r *witnessed, p *process, base int) {
		p.until(t, "a tree ahead", func() bool { return r.size(t) > base+ownEntries && r.size(t) > r.signed(t) })
	}})
	list = append(list, moment{name: "checkpoint just signed", wait: func(t *testing.T, r *witnessed, p *process, base int) {
		p.until(t, "a checkpoint", func() bool { return r.signed(t) > base })
	}})
	list = append(list, moment{name: "checkpoint being written", wait: func(t *testing.T, r *witnessed, p *process, base int) {
		p.until(t, "a range", func() bool { return r.size(t) > base+ownEntries })
		limitFiles(t, p, 1) // the signed note cannot be put in place
		time.Sleep(1100 * time.Millisecond)
	}})
	list = append(list, moment{name: "draining", term: true, tap: func(r *witnessed, base int) (*tap, *heldPoint) {
		return w.euTap, &heldPoint{key: kmsg.LeaveGroup}
	}})
	list = append(list, moment{name: "before the last span", term: true, tap: func(r *witnessed, base int) (*tap, *heldPoint) {
		return w.euTap, &heldPoint{key: kmsg.ListOffsets, when: r.ranged(base)}
	}})
	return list
}

// ranged reports whether the ledger has a range of the process that started when it had base entries.
func (r *witnessed) ranged(base int) func() bool {
	return func() bool {
		text, err := os.ReadFile(filepath.Join(r.ledger, ".state", "treeState"))
		var tree struct{ Size int }
		return err == nil && json.Unmarshal(text, &tree) == nil && tree.Size > base+ownEntries+1
	}
}

// limitFiles keeps a process from making files larger than some bytes: its writes fail as on a full disk.
func limitFiles(t *testing.T, p *process, bytes uint64) {
	t.Helper()
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}

// killAt starts a process and kills it at the moment.
func (r *witnessed) killAt(t *testing.T, m moment) {
	t.Helper()
	base := r.size(t)
	var point *heldPoint
	release := func(bool) {}
	if m.tap != nil {
		var at *tap
		at, point = m.tap(r, base)
		if !m.term {
			release = at.hold(point)
		}
	}
	p := r.start(t)
	if m.term {
		p.until(t, "a range", r.ranged(base))
		at, _ := m.tap(r, base)
		release = at.hold(point)
		p.signal(t, syscall.SIGTERM)
	}
	if point != nil {
		p.until(t, m.name, point.isReached)
	} else {
		m.wait(t, r, p, base)
	}
	if m.land { // bytes that have left a dead process
		p.signal(t, syscall.SIGSTOP)
		release(true)
	}
	r.killed(t, p)
	if !m.land {
		release(false)
	}
	r.verify(t)
}

func testLedgerKills(t *testing.T, w *tappedWorld) {
	const portion, random = 2_000, 14
	r := w.witnessed(t, "crashes")
	kills := 0
	for _, m := range w.moments() {
		if m.settle { // what was left behind until here
			if code := r.start(t, "--until-end").end(t); code != 0 {
				t.Fatalf("exit code %d, want 0", code)
			}
		}
		w.fill(t, portion, kgo.ZstdCompression())
		t.Logf("kill %d: %s", kills+1, m.name)
		r.killAt(t, m)
		kills++
	}
	dice := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		w.fill(t, portion, kgo.ZstdCompression())
		p := r.start(t)
		if i%2 == 0 {
			before, err := r.stored(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r.waitStored(t, p, before+1+dice.Int64N(portion/2))
		} else {
			time.Sleep(time.Duration(dice.Int64N(int64(1200 * time.Millisecond))))
		}
		r.killed(t, p)
		r.verify(t)
		kills++
	}
	if code := r.start(t, "--until-end").end(t); code != 0 {
		t.Fatalf("exit code %d, want 0", code)
	}
	n := r.judgeEvidence(t)
	t.Logf("%d of %d records were delivered twice after %d kills", n, r.next*int64(r.partitions), kills)
	if n == 0 {
		t.Error("no kill made a duplicate: they came too late")
	}
}

// judgeEvidence holds sinks, source and ledger against each other, and returns how many records were delivered twice.
func (r *witnessed) judgeEvidence(t *testing.T) (duplicates int) {
	t.Helper()
	r.verify(t)
	duplicates = r.judge(t, real.Kcat, r.readSource(t, real.Kcat))
	distinct, all := r.countSink(t, "us")
	inside, uncovered := r.claimUS(t)
	if inside != distinct || uncovered != 0 {
		t.Errorf("the claim has %d records in sink us and %d uncovered; kcat finds %d, %d with duplicates", inside, uncovered, distinct, all)
	}
	counted := r.recount(t)
	if counted.Records.Read != int64(r.partitions)*r.next || counted.Receipts.Equal != counted.Receipts.Total || counted.Source.Different != 0 ||
		counted.Source.Equal != counted.Source.Entries {
		t.Errorf("recount: %+v", counted)
	}
	var unreceipted, inUS int64
	for _, place := range counted.Places {
		n := place.Unreceipted.Records + place.Before.Records
		if place.Unreceipted.Duplicates != place.Unreceipted.Records || place.Before.Belonging != place.Before.Records {
			t.Errorf("recount: records without a receipt are not all duplicates: %+v", place)
		}
		if unreceipted += n; place.Topic == r.topic("us") {
			inUS += n
		}
	}
	if unreceipted != int64(duplicates) || inUS != int64(all-distinct) {
		t.Errorf("recount finds %d records without a receipt, %d in sink us; kcat %d duplicates, %d in us", unreceipted, inUS, duplicates, all-distinct)
	}
	return duplicates
}

// recount reads all sinks and the source again. Duplicates that a kill left behind are no difference.
func (r *witnessed) recount(t *testing.T) (result recount.Result) {
	t.Helper()
	out := r.demarc(t, 0, "recount", r.ledger, r.policy, "--key", r.vkey, "--source", "--format", "json")
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// countSink is how many records kcat finds in a sink.
func (r *witnessed) countSink(t *testing.T, sink string) (distinct, all int) {
	t.Helper()
	type identity struct {
		partition int32
		n         int64
	}
	seen := map[identity]bool{}
	err := real.Kcat(t.Context(), r.cluster(sink).Brokers, r.topic(sink), func(rec *real.Read) error {
		partition, n, _ := devbroker.Identity(rec.Key, rec.Value)
		seen[identity{partition, n}] = true
		all++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(seen), all
}

// claimUS judges the claim that US records went to sink us. It does not hold, since some are in quarantine.
func (r *witnessed) claimUS(t *testing.T) (inside, uncovered int) {
	t.Helper()
	file := filepath.Join(r.dir, r.name+".claim.yaml")
	if err := os.WriteFile(file, []byte("subject: {jurisdiction: US}\nverb: routed\nsinks: [us]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Total  struct{ Inside, Uncovered int }
		Bounds []struct {
			TopicID string `json:"topic_id"`
		}
	}
	if err := json.Unmarshal([]byte(r.demarc(t, 1, "claim", r.ledger, file, "--key", r.vkey, "--format", "json")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Bounds) != int(r.partitions) || c.Bounds[0].TopicID == "" {
		t.Errorf("the claim is about %+v, want %d partitions of a topic with an id", c.Bounds, r.partitions)
	}
	return c.Total.Inside, c.Total.Uncovered
}

// testLedgerDiskFull: partitions wait, nothing is committed without evidence, and all goes on when there is room.
func testLedgerDiskFull(t *testing.T, w *tappedWorld) {
	const portion = 20_000
	r := w.witnessed(t, "full")
	w.fill(t, portion, kgo.ZstdCompression())
	p := r.start(t)
	r.waitStored(t, p, portion)
	r.waitCommitted(t, p, portion)
	limitFiles(t, p, 1)
	w.fill(t, portion, kgo.ZstdCompression())
	r.waitStored(t, p, portion+1)
	p.until(t, "the ledger fails", func() bool { return strings.Contains(p.out.String(), "ledger cannot be written") })
	w.fill(t, portion, kgo.ZstdCompression())
	if n, err := w.eu.Committed(t.Context(), r.name, w.source); n != portion || err != nil {
		t.Errorf("%d offsets are committed without evidence, want %d: %v", n-portion, portion, err)
	}
	r.verify(t)
	limitFiles(t, p, unix.RLIM_INFINITY)
	r.waitStored(t, p, 3*portion)
	r.waitCommitted(t, p, 3*portion)
	p.signal(t, syscall.SIGTERM)
	if code := p.end(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if n := r.judgeEvidence(t); n != 0 {
		t.Errorf("%d records were delivered twice: the ledger's trouble is no reason", n)
	}
}

func (r *witnessed) waitCommitted(t *testing.T, p *process, n int64) {
	t.Helper()
	p.wait(t, fmt.Sprintf("%d committed", n), func(ctx context.Context) (bool, error) {
		committed, err := r.eu.Committed(ctx, r.name, r.source)
		return committed == n, err
	})
}

// testLedgerTerminated: SIGTERM drains, and the last checkpoint covers all.
func testLedgerTerminated(t *testing.T, w *tappedWorld) {
	const portion = 20_000
	r := w.witnessed(t, "terminated")
	w.fill(t, portion, kgo.ZstdCompression())
	p := r.start(t)
	r.waitStored(t, p, portion/2)
	p.signal(t, syscall.SIGTERM)
	if code := p.end(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if size, signed := r.size(t), r.signed(t); size != signed {
		t.Errorf("the last checkpoint covers %d of %d entries", signed, size)
	}
	stored, err := r.stored(t.Context())
	if committed, more := w.eu.Committed(t.Context(), r.name, w.source); committed != stored || err != nil || more != nil {
		t.Errorf("%d offsets committed, %v; the sinks hold %d records, %v", committed, more, stored, err)
	}
	if code := r.start(t, "--until-end").end(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if n := r.judgeEvidence(t); n != 0 {
		t.Errorf("%d records were delivered twice without a kill", n)
	}
}

// testLedgerOldCopy: a folder that was restored from an old copy is not written on.
func testLedgerOldCopy(t *testing.T, w *tappedWorld) {
	const portion = 4_000
	r := w.witnessed(t, "restored")
	w.fill(t, portion, kgo.ZstdCompression())
	run := func(code int) string {
		t.Helper()
		p := r.start(t, "--until-end")
		if got := p.end(t); got != code {
			t.Errorf("exit code %d, want %d", got, code)
		}
		return p.out.String()
	}
	run(0)
	old := r.ledger + ".old"
	copyTree(t, r.ledger, old)
	copyTree(t, r.ledger+".state", old+".state")
	w.fill(t, portion, kgo.ZstdCompression())
	run(0)
	newest := r.ledger + ".newest"
	move := func(from, to string, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Rename(from+name, to+name); err != nil {
				t.Fatal(err)
			}
		}
	}

	// The folder alone: what the writer remembers beside it tells.
	move(r.ledger, newest, "")
	copyTree(t, old, r.ledger)
	before := r.size(t)
	if out := run(3); !strings.Contains(out, "older copy") || r.size(t) != before {
		t.Errorf("an old folder is written on:\n%s", out)
	}

	// All of it: the group knows better.
	move(r.ledger, newest, ".state")
	copyTree(t, old+".state", r.ledger+".state")
	out := run(1)
	for _, want := range []string{"the ledger ends at offset", "demarc gap " + w.source + "/0 --to"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	stored, err := r.stored(t.Context())
	if stored != 2*portion || err != nil {
		t.Errorf("%d records in the sinks, %v; want %d: nothing goes on without evidence", stored, err, 2*portion)
	}

	// The newest copy back in its place: all is well.
	for _, name := range []string{"", ".state"} {
		if err := os.RemoveAll(r.ledger + name); err != nil {
			t.Fatal(err)
		}
	}
	move(newest, r.ledger, "", ".state")
	run(0)
	if n := r.judgeEvidence(t); n != 0 {
		t.Errorf("%d records were delivered twice without a kill", n)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}
