package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/demarc/demarc/internal/devbroker"
)

// TestRunRefusesALoop: a sink that writes into a source topic of the same cluster would feed itself.
func TestRunRefusesALoop(t *testing.T) {
	s := newSite(t, "source")
	s.produce(t, "US")
	loop := strings.NewReplacer(s.us.Brokers()[0], s.source.Brokers()[0], "topic: events.us", "topic: events").Replace(mustRead(t, s.policy))
	unpinned := strings.Replace(loop, "pins: {cluster_id: source, addresses: [127.0.0.0/8]}", "unpinned: true", 1)
	down := strings.Replace(unpinned, s.source.Brokers()[0], closedAddress(t), 1)
	const refusal = "sink us-main writes to topic events of cluster source, which DEMARC_TOPICS reads"
	for _, tc := range []struct {
		name, policy string
		code         int
		err          string
	}{
		{"of the pinned cluster", loop, exitUsage, refusal},
		{"of the cluster that answers", unpinned, exitUsage, refusal},
		{"that cannot be told", down, exitUnknown, "sink us-main"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			call{args: []string{"run", "--until-end", write(t, t.TempDir(), "policy.yaml", tc.policy)}, env: s.env}.run(t).want(t, tc.code, "", tc.err)
		})
	}
	if records, err := devbroker.ReadAll(t.Context(), s.source.Brokers(), "events"); err != nil || len(records) != 1 {
		t.Errorf("%d records in the source, want the 1 that was written (%v)", len(records), err)
	}
}

// TestSinkThatComesLate: the service starts without a sink that is down, delivers the rest, and delivers what
// waited once the sink is there.
func TestSinkThatComesLate(t *testing.T) {
	s := newSite(t, "us-cluster")
	number := quietPort(t)
	s.policy = write(t, s.dir, "late.yaml", strings.Replace(mustRead(t, s.policy), s.us.Brokers()[0], fmt.Sprintf("127.0.0.1:%d", number), 1))
	s.us.Close()
	s.produce(t, "US", "DE")
	r := startService(t, s)
	r.waitFor(t, "sink cannot be reached, starting without it: its records wait")
	r.until(t, "/readyz", func(code int, body string) bool {
		return code == 503 && strings.Contains(body, "sink us-main is opening") && strings.Contains(body, "connection refused")
	})
	r.until(t, "/metrics", func(_ int, body string) bool {
		return strings.Contains(body, `jurisdictions="DE",reason="decided",sink="de-main"} 1`)
	})
	var err error
	if s.us, err = devbroker.Start("us-cluster", []devbroker.Topic{{Name: "events.us", Partitions: 2}}, kfake.Ports(number)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.us.Close)
	r.until(t, "/readyz", func(code int, _ string) bool { return code == 200 })
	r.until(t, "/metrics", func(_ int, body string) bool {
		return strings.Contains(body, `jurisdictions="US",reason="decided",sink="us-main"} 1`)
	})
	r.signal(t, syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, r.seen.String())
	}
	if n := len(s.inUS(t)); n != 1 {
		t.Errorf("%d records in the US, want 1", n)
	}
}

// quietPort is a port that nobody listens on, nor will: it is below those that systems give away.
func quietPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("every port is taken")
	return 0
}

// TestNoSinkAtTheStart: with nothing to deliver to, the service does not start.
func TestNoSinkAtTheStart(t *testing.T) {
	s := newSite(t, "us-cluster")
	policy := strings.NewReplacer(
		s.us.Brokers()[0], closedAddress(t),
		"  DE: {countries: [DE], when: {first: [account]}}\n", "", ", DE: de-main}", "}", "default: us-hold", "default: us-main",
	).Replace(mustRead(t, s.policy))
	var kept []string
	for line := range strings.Lines(policy) {
		if !strings.HasPrefix(line, "  de-main:") && !strings.HasPrefix(line, "  us-hold:") {
			kept = append(kept, line)
		}
	}
	call{args: []string{"run", write(t, s.dir, "one.yaml", strings.Join(kept, ""))}, env: s.env}.run(t).want(t, exitUnknown, "", "open sink us-main")
}
