//go:build real

package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker/real"
)

// TestRealSeveral: two instances, one of which is killed, and a sequencer, which is killed too: one ledger that verifies
// and covers all that the source holds.
func TestRealSeveral(t *testing.T) {
	const records = 200_000
	w := newWorld(t)
	w.fresh(t, "events", mixture)
	w.fill(t, records/2, kgo.ZstdCompression())
	for topic, partitions := range map[string]int32{"demarc.entries": 3, "demarc.checkpoints": 1} {
		if err := w.us.CreateTopic(t.Context(), topic, partitions, map[string]string{"retention.ms": "-1"}); err != nil {
			t.Fatal(err)
		}
	}
	ledger := filepath.Join(w.dir, "ledger")
	made, err := exec.CommandContext(t.Context(), w.binary, "ledger", "init", ledger, "--origin", "example.com/several").Output()
	if err != nil {
		t.Fatal(err)
	}
	topics := []string{"DEMARC_LEDGER_BROKERS=" + w.us.Brokers[0], "DEMARC_LEDGER_TOPIC=demarc.entries", "DEMARC_LISTEN=127.0.0.1:0"}
	sequencing := slices.Concat(os.Environ(), topics, []string{"DEMARC_LEDGER=" + ledger, "DEMARC_LEDGER_CHECKPOINTS_TOPIC=demarc.checkpoints"})
	r := w.route(t, "several", w.us.ID)
	r.env = append(r.env, topics...)
	r.env = append(r.env, "DEMARC_SESSION_TIMEOUT=6s", "DEMARC_DRAIN_LIMIT=3s", "DEMARC_PARTITION_BYTES=64KiB")

	sequencer := w.launch(t, sequencing, "sequence")
	first := r.start(t)
	r.waitStored(t, first, records/20)
	second := r.start(t)
	second.wait(t, "two members", func(ctx context.Context) (bool, error) {
		n, err := w.eu.Members(ctx, r.name)
		return n == 2, err
	})
	w.fill(t, records/2, kgo.ZstdCompression())
	first.signal(t, syscall.SIGKILL)
	sequencer.signal(t, syscall.SIGKILL)
	<-first.exited
	<-sequencer.exited
	third := r.start(t) // with the dead one still a member: lanes move twice
	r.waitStored(t, third, records)
	for _, p := range []*process{second, third} {
		p.wait(t, "all offsets committed", func(ctx context.Context) (bool, error) {
			n, err := w.eu.Committed(ctx, r.name, w.source)
			return n == records, err
		})
		p.signal(t, syscall.SIGTERM)
		if code := p.end(t); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
	}
	if code := w.launch(t, sequencing, "sequence", "--until-end").end(t); code != 0 {
		t.Errorf("exit code %d of sequence", code)
	}
	verify := w.launch(t, os.Environ(), "verify", ledger, "--key", strings.TrimSpace(string(made)))
	if code := verify.end(t); code != 0 || strings.Contains(verify.out.String(), "not covered") {
		t.Errorf("exit code %d of verify:\n%s", code, verify.out.String())
	}
	t.Log(verify.out.String())
	n := r.judge(t, real.Kcat, w.readSource(t, real.Kcat))
	t.Logf("%d of %d records were delivered twice", n, records)
}
