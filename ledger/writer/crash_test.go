package writer

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/demarc/demarc/ledger"
)

// crashDir makes the test binary the process that is killed: it appends to the log in that folder until it is.
const crashDir = "DEMARC_TEST_CRASH_DIR"

const crashLanes = 4

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendUntilKilled goes on where the log ends, and says which positions Append acknowledged.
func appendUntilKilled(dir string) error {
	l, err := Open(context.Background(), dir, "", Options{Interval: time.Millisecond, CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	fmt.Println("open")
	failed := make(chan error)
	for lane := range int32(crashLanes) {
		go func() {
			for {
				at, _ := l.Position(stream(lane))
				if err := l.Append(context.Background(), []ledger.Entry{span(noTest{}, "events", lane, at, at+10), span(noTest{}, "events", lane, at+10, at+20)}); err != nil {
					failed <- err
				}
				fmt.Println(lane, at+20)
			}
		}()
	}
	return <-failed
}

// noTest is a testing.TB for helpers outside a test.
type noTest struct{ testing.TB }

func (noTest) Helper() {}

func (noTest) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Killed at any point, a log opens again, Tessera's checker accepts it, and it holds what was acknowledged.
func TestKill(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	closeLog(t, l)
	acknowledged := map[int32]int64{}
	for round := range 20 {
		killOnce(t, dir, acknowledged, rand.IntN(40))
		if round%2 == 1 {
			continue // the next process finds what the killed one left
		}
		l, err := Open(context.Background(), dir, "", quick())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for lane, want := range acknowledged {
			if to, _ := l.Position(stream(lane)); to < want {
				t.Errorf("round %d: lane %d is at %d, %d was acknowledged", round, lane, to, want)
			}
		}
		closeLog(t, l)
	}
	closeLog(t, openLog(t, dir, quick())) // signs what the last one left
	order := NewAdmission()
	for i, e := range entries(t, dir, vkey) {
		if e.Kind == ledger.KindReplay {
			t.Errorf("entry %d is a replay: the position was behind the log", i)
		}
		if err := order.Follow(e); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	for lane, want := range acknowledged {
		if to, _ := order.Position(stream(lane)); to < want {
			t.Errorf("lane %d ends at %d, %d was acknowledged", lane, to, want)
		}
	}
	if len(acknowledged) != crashLanes {
		t.Errorf("acknowledged: %v", acknowledged)
	}
}

// killOnce starts a process that appends, and kills it after so many of its lines and a random while.
func killOnce(t *testing.T, dir string, acknowledged map[int32]int64, lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	opened := false
	lines++
	for scan := bufio.NewScanner(out); scan.Scan(); {
		var lane int32
		var at int64
		switch n, _ := fmt.Sscan(scan.Text(), &lane, &at); {
		case scan.Text() == "open":
			opened = true
		case n == 2:
			acknowledged[lane] = max(acknowledged[lane], at)
		}
		if lines--; lines == 0 {
			time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait() // killed
	if !opened {
		t.Fatal("the process did not open the log")
	}
}
