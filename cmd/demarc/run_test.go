package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// site is a source cluster, a cluster in the US and a directory in Germany.
type site struct {
	source, us *devbroker.Cluster
	dir        string
	policy     string
	env        []string
}

func newSite(t *testing.T, clusterID string) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	start := func(id string, topics ...devbroker.Topic) *devbroker.Cluster {
		c, err := devbroker.Start(id, topics)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	s.source = start("source", devbroker.Topic{Name: "events", Partitions: 2})
	s.us = start("us-cluster", devbroker.Topic{Name: "events.us", Partitions: 2})
	s.policy = write(t, s.dir, "policy.yaml", fmt.Sprintf(`version: 1
signals:
  account: {header: account-country, as: alpha2}
jurisdictions:
  US: {countries: [US, PR, GU, VI, AS, MP, UM], when: {first: [account]}}
  DE: {countries: [DE], when: {first: [account]}}
routes: {US: us-main, DE: de-main}
quarantine: {default: us-hold, DE: de-main}
sinks:
  us-main:
    location: {country: US, region: us-east-1, operator: aws}
    accepts: [US]
    kafka: {brokers: [%q], topic: events.us}
    pins: {cluster_id: %s, addresses: [127.0.0.0/8]}
  de-main: {location: {country: DE, region: eu-central-1, operator: aws}, accepts: [DE], file: {dir: %s}}
  us-hold: {location: {country: US, region: us-east-1, operator: aws}, file: {dir: %s}}
`, s.us.Brokers()[0], clusterID, filepath.Join(s.dir, "de"), filepath.Join(s.dir, "hold")))
	s.env = []string{"DEMARC_BROKERS=" + s.source.Brokers()[0], "DEMARC_TOPICS=events", "DEMARC_LISTEN=127.0.0.1:0"}
	return s
}

// produce writes records of the given countries; "" stands for one without a header.
func (s *site) produce(t *testing.T, countries ...string) {
	t.Helper()
	var records []*kgo.Record
	for i, country := range countries {
		r := &kgo.Record{Topic: "events", Partition: int32(i % 2), Key: []byte(fmt.Sprint(i)), Value: []byte("v-" + country)}
		if country != "" {
			r.Headers = []kgo.RecordHeader{{Key: "account-country", Value: []byte(country)}}
		}
		records = append(records, r)
	}
	if err := devbroker.Produce(t.Context(), s.source.Brokers(), records); err != nil {
		t.Fatal(err)
	}
}

func (s *site) inUS(t *testing.T) []*kgo.Record {
	t.Helper()
	records, err := devbroker.ReadAll(t.Context(), s.us.Brokers(), "events.us")
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestRunUntilEnd(t *testing.T) {
	s := newSite(t, "us-cluster")
	s.produce(t, "US", "DE", "US", "", "ZZ")
	r := call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t)
	r.want(t, 0, "US 100.0000 % of 2 US records -> us-main", "policy=")
	for _, want := range []string{"DE 100.0000 % of 1 DE records -> de-main", "quarantined: 2 of 5 records (40.0000 %)", "no_signal", "unknown_code"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("stdout lacks %q:\n%s", want, r.out)
		}
	}
	for _, want := range []string{"cluster_id=us-cluster", "sink=us-main", "consumed=5", "delivered=3", "quarantined=2", "in_flight=0", "given_up=0"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("log lacks %q:\n%s", want, r.err)
		}
	}
	for _, never := range []string{"v-US", "v-DE"} {
		if strings.Contains(r.err+r.out, never) {
			t.Errorf("output holds payload: %s%s", r.out, r.err)
		}
	}
	for _, got := range s.inUS(t) {
		if string(got.Value) != "v-US" {
			t.Errorf("in the US: %q", got.Value)
		}
	}

	type line struct {
		Key     string      `json:"key"`
		Value   string      `json:"value"`
		Headers [][2]string `json:"headers"`
	}
	var held []line
	cat := call{args: []string{"cat", filepath.Join(s.dir, "hold")}}.run(t)
	for text := range strings.Lines(cat.out) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("cat printed %q: %v", text, err)
		}
		held = append(held, l)
	}
	if cat.code != 0 || len(held) != 2 || held[0].Value != "v-ZZ" || held[1].Value != "v-" || held[0].Headers[1] != [2]string{"demarc-reason", "unknown_code"} {
		t.Errorf("cat: code %d, %+v", cat.code, held)
	}

	again := call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t)
	again.want(t, 0, "0 records in", "consumed=0")
	if n := len(s.inUS(t)); n != 2 {
		t.Errorf("%d records in the US after a second run, want 2", n)
	}
}

// TestRunWritesNothingToAnotherPlace: a sink whose cluster id differs from its pin stops, the others go on.
func TestRunWritesNothingToAnotherPlace(t *testing.T) {
	s := newSite(t, "another-cluster")
	s.produce(t, "DE", "US", "DE", "DE", "DE", "US") // the even ones are in partition 0
	r := call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t)
	r.want(t, 1, "", `cluster_id: expected another-cluster, seen "us-cluster"`)
	if n := len(s.inUS(t)); n != 0 {
		t.Errorf("%d records were written to another cluster", n)
	}
	cat := call{args: []string{"cat", filepath.Join(s.dir, "de")}}.run(t)
	if n := strings.Count(cat.out, `"v-DE"`); n != 4 {
		t.Errorf("%d records are in the other sink, want 4:\n%s", n, cat.out)
	}
	if !strings.Contains(r.err, "partition events/1 stopped") || strings.Contains(r.err, "partition events/0 stopped") {
		t.Errorf("only the partition with records for the stopped sink holds:\n%s", r.err)
	}
}

func TestRunRefusesToStart(t *testing.T) {
	s := newSite(t, "us-cluster")
	s.produce(t, "US")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	noSuchTopic := write(t, s.dir, "no-topic.yaml", strings.Replace(mustRead(t, s.policy), "topic: events.us", "topic: events.uk", 1))
	down := write(t, s.dir, "down.yaml", strings.Replace(mustRead(t, s.policy), s.us.Brokers()[0], closedAddress(t), 1))
	garbage := write(t, s.dir, "garbage.mmdb", "no database")
	for _, tc := range []struct {
		name string
		args []string
		env  []string // replaces or adds to the site's
		code int
		err  string
	}{
		{"no brokers, no topics", []string{s.policy}, []string{"DEMARC_BROKERS=", "DEMARC_TOPICS="}, 2, "DEMARC_TOPICS is not set"},
		{"bad policy", []string{badPolicy(t)}, nil, 2, "bad.yaml:10:"},
		{"typo", []string{s.policy}, []string{"DEMARC_TYPO=1"}, 2, "DEMARC_TYPO: no such setting"},
		{"typo in a sink", []string{s.policy}, []string{"DEMARC_SINK_US_MAINE_TLS=true"}, 2, "did you mean DEMARC_SINK_US_MAIN_TLS?"},
		{"address in use", []string{s.policy}, []string{"DEMARC_LISTEN=" + taken.Addr().String()}, 2, "set DEMARC_LISTEN"},
		{"bad geo database", []string{goodPolicy}, []string{"DEMARC_GEO_DB=" + garbage}, 2, "set DEMARC_GEO_DB"},
		{"no ca file", []string{s.policy}, []string{"DEMARC_TLS=true", "DEMARC_TLS_CA=none.pem"}, 2, "DEMARC_TLS_CA: open none.pem"},
		{"source down", []string{s.policy}, []string{"DEMARC_BROKERS=" + closedAddress(t)}, 3, "reach source"},
		{"source without the topic", []string{s.policy}, []string{"DEMARC_TOPICS=events,clicks"}, 2, "source topic clicks"},
		{"sink down", []string{down}, nil, 3, "sink us-main"},
		{"sink without the topic", []string{noSuchTopic}, nil, 2, "sink us-main: topic: expected topic events.uk"},
		{"all faults at once", []string{s.policy}, []string{"DEMARC_TOPICS=", "DEMARC_LANES=0"}, 2, "DEMARC_LANES=0: want 1 to 1024\ndemarc: DEMARC_TOPICS is not set"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := call{args: append([]string{"run", "--until-end"}, tc.args...), env: append(s.env, tc.env...)}.run(t)
			if r.code != tc.code || !strings.Contains(r.err, tc.err) || r.out != "" {
				t.Errorf("code %d, want %d; want %q in\n%s%s", r.code, tc.code, tc.err, r.err, r.out)
			}
		})
	}
	if n := len(s.inUS(t)); n != 0 {
		t.Errorf("%d records were written by runs that did not start", n)
	}
}

// closedAddress is an address that nobody listens on.
func closedAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", quietPort(t))
}

// running is a service under test; its log is JSON.
type running struct {
	cmd  *exec.Cmd
	url  string
	log  *bufio.Scanner
	seen strings.Builder
}

// startService runs the service and waits for its line that tells the address.
func startService(t *testing.T, s *site) *running {
	t.Helper()
	r := &running{cmd: exec.Command(binary, "run", s.policy)}
	r.cmd.Env = append(s.env, "DEMARC_LOG=json", "DEMARC_SESSION_TIMEOUT=6s", "DEMARC_DRAIN_LIMIT=3s")
	pipe, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.log = bufio.NewScanner(pipe)
	r.url = "http://" + r.waitFor(t, "starting")["listen"].(string)
	return r
}

// waitFor reads the log until a line with the message.
func (r *running) waitFor(t *testing.T, message string) map[string]any {
	t.Helper()
	for r.log.Scan() {
		r.seen.WriteString(r.log.Text() + "\n")
		var line map[string]any
		if err := json.Unmarshal(r.log.Bytes(), &line); err != nil {
			t.Fatalf("log line %q: %v", r.log.Text(), err)
		}
		if line["msg"] == message {
			return line
		}
	}
	t.Fatalf("the log ended without %q:\n%s", message, r.seen.String())
	return nil
}

// until polls a path until accept is content with the answer.
func (r *running) until(t *testing.T, path string, accept func(code int, body string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := ""
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, "GET", r.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if last = string(body); accept(resp.StatusCode, last) {
			return
		}
	}
	t.Fatalf("%s never answered as expected; last: %s", path, last)
}

func (r *running) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end of the process; the rest of the log goes into seen.
func (r *running) exit(t *testing.T) int {
	t.Helper()
	for r.log.Scan() {
		r.seen.WriteString(r.log.Text() + "\n")
	}
	_ = r.cmd.Wait() // the code tells
	return r.cmd.ProcessState.ExitCode()
}

func TestServiceDrainsOnSignal(t *testing.T) {
	s := newSite(t, "us-cluster")
	s.produce(t, "US", "DE", "")
	r := startService(t, s)
	r.until(t, "/readyz", func(code int, body string) bool { return code == 200 && strings.Contains(body, `"ready":true`) })
	r.until(t, "/metrics", func(_ int, body string) bool {
		return strings.Contains(body, `demarc_records_total{topic="events",jurisdictions="US",reason="decided",sink="us-main"} 1`) &&
			strings.Contains(body, `demarc_records_total{topic="events",jurisdictions="none",reason="no_signal",sink="us-hold"} 1`)
	})
	s.produce(t, "US", "US")
	r.until(t, "/metrics", func(_ int, body string) bool {
		return strings.Contains(body, `jurisdictions="US",reason="decided",sink="us-main"} 3`)
	})
	r.signal(t, syscall.SIGHUP)
	r.signal(t, syscall.SIGTERM) // so soon after the first it does not count
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d after SIGHUP\n%s", code, r.seen.String())
	}
	again := call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t)
	again.want(t, 0, "0 records in", "consumed=0")
	if n := len(s.inUS(t)); n != 3 {
		t.Errorf("%d records in the US, want 3", n)
	}
}

func TestSinkThatGoesDownShowsInReadiness(t *testing.T) {
	s := newSite(t, "us-cluster")
	s.produce(t, "US")
	r := startService(t, s)
	r.until(t, "/metrics", func(_ int, body string) bool {
		return strings.Contains(body, `sink="us-main"} 1`)
	})
	s.us.Close()
	s.produce(t, "US", "US")
	r.until(t, "/readyz", func(code int, body string) bool {
		return code == 503 && strings.Contains(body, "sink us-main is retrying")
	})
	r.signal(t, syscall.SIGINT)
	r.waitFor(t, "draining what is in flight; a second signal gives it up")
	gaveUp := make(chan struct{})
	go func() { // until one is late enough to count as a second
		for tick := time.Tick(100 * time.Millisecond); ; {
			select {
			case <-gaveUp:
				return
			case <-tick:
				_ = r.cmd.Process.Signal(syscall.SIGINT)
			}
		}
	}()
	r.waitFor(t, "giving up what is in flight; the next start delivers it again")
	close(gaveUp)
	if code := r.exit(t); code != 3 {
		t.Errorf("exit code %d after two signals, want 3\n%s", code, r.seen.String())
	}
}
