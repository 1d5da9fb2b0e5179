package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"k8s.io/klog/v2"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/ledger/writer"
	"github.com/demarc/demarc/sinks"
)

type demoCmd struct {
	Records int64  `default:"500000" help:"How many events to generate."`
	Dir     string `placeholder:"DIR" help:"New directory for the policy, its cases, the claim, the ledger and the quarantine; default: a temporary one, which stays."`
}

func (demoCmd) Help() string {
	return `Starts four embedded Kafka clusters on the loopback address (a source and one each in the US, the EU and Singapore), writes generated events with real address prefixes and a share of hostile ones, routes them with the real router, and reads all sinks back, the topics with another Kafka client, to check every single record. Then it judges a claim on the ledger that the router kept, changes one byte in a copy of that ledger and shows what verify says.

Example:

    demarc demo --records 1000000`
}

//go:embed demo_policy.yaml
var demoPolicy string

//go:embed demo_cases.yaml
var demoCases string

// The demo's source topic.
const (
	demoTopic      = "events"
	demoPartitions = 4
)

// demo is one run: the embedded clusters and what flows through them.
type demo struct {
	dir                string
	source, us, eu, sg *devbroker.Cluster
	load               devbroker.Load
	policy             *classifier.Policy
	service            *service
	counts             tally       // the router's own
	ledger             *writer.Log // nil before it is made and after it is closed
	vkey               string      // the ledger's
	ledgerSize         uint64      // entries, once it is closed
	screen             *terminal
	out                io.Writer
}

func (cmd demoCmd) Run(s *streams) (err error) {
	if cmd.Records < 1 {
		return usageError(fmt.Errorf("--records=%d: want at least 1", cmd.Records))
	}
	for name := range ours(s.environ) {
		return usageError(fmt.Errorf("%s is set, but the demo takes no settings; unset it", name))
	}
	d := &demo{screen: newTerminal(s.err), out: s.out}
	ctx, release := untilSignal(newLogger(d.screen, &settings{Log: "text", LogLevel: "error"}), func() { os.Exit(exitUnknown) })
	defer release()
	if err := d.makeDir(cmd.Dir); err != nil {
		return err
	}
	defer d.stopClusters()
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	defer func() { err = errors.Join(err, closeFolder(d.ledger)) }()
	for _, step := range []func(context.Context) error{
		d.startClusters,
		func(ctx context.Context) error { return d.fill(ctx, cmd.Records) },
		d.loadPolicy,
		d.makeLedger,
		d.route,
		d.judge,
		d.claim,
		d.tamper,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.nextCommands(s.program)
}

func (d *demo) makeDir(dir string) (err error) {
	if dir == "" {
		d.dir, err = os.MkdirTemp("", "demarc-demo-")
	} else {
		d.dir, err = dir, os.Mkdir(dir, 0o750)
	}
	if err != nil {
		return usageError(fmt.Errorf("make the demo's directory: %w", err))
	}
	return nil
}

func (d *demo) startClusters(context.Context) error {
	for _, c := range []struct {
		cluster **devbroker.Cluster
		id      string
		topics  []string
	}{
		{&d.source, "demo-source", []string{demoTopic}},
		{&d.us, "demo-us", []string{"events.us"}},
		{&d.eu, "demo-eu", []string{"events.eu", "quarantine.eu"}},
		{&d.sg, "demo-sg", []string{"events.row"}},
	} {
		var topics []devbroker.Topic
		for _, name := range c.topics {
			topics = append(topics, devbroker.Topic{Name: name, Partitions: demoPartitions})
		}
		started, err := devbroker.Start(c.id, topics)
		if err != nil {
			return err
		}
		*c.cluster = started
	}
	return nil
}

func (d *demo) stopClusters() {
	for _, c := range []*devbroker.Cluster{d.source, d.us, d.eu, d.sg} {
		if c != nil {
			c.Close()
		}
	}
}

// fill writes the generated events into the source topic.
func (d *demo) fill(ctx context.Context, records int64) error {
	d.load = devbroker.Load{
		Brokers: d.source.Brokers(), Topic: demoTopic, Partitions: demoPartitions, Records: records,
		Traffic: devbroker.Traffic{Seed: 1, Hostile: 40, Roaming: 60},
		Codec:   kgo.Lz4Compression(),
		Progress: func(written int64) {
			d.screen.show(bar("writing events", written, records))
		},
	}
	err := d.load.Run(ctx)
	d.screen.show("")
	return err
}

// loadPolicy puts the policy, with the addresses of the embedded clusters, and its cases into the demo's
// directory and loads it from there, as any other.
func (d *demo) loadPolicy(context.Context) error {
	text := strings.NewReplacer(
		"BROKERS_US", strings.Join(d.us.Brokers(), ","),
		"BROKERS_EU", strings.Join(d.eu.Brokers(), ","),
		"BROKERS_SG", strings.Join(d.sg.Brokers(), ","),
		"DIRECTORY", filepath.Join(d.dir, "us-quarantine"),
	).Replace(demoPolicy)
	for name, content := range map[string]string{"policy.yaml": text, "cases.yaml": demoCases} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o640); err != nil {
			return fmt.Errorf("write the demo's policy: %w", err)
		}
	}
	var err error
	d.policy, _, err = loadPolicy(filepath.Join(d.dir, "policy.yaml"), &streams{err: d.screen})
	return err
}

// route runs the real router until the end of the source topic and prints where everything went.
func (d *demo) route(ctx context.Context) error {
	c, err := configure([]string{
		"DEMARC_BROKERS=" + strings.Join(d.source.Brokers(), ","), "DEMARC_TOPICS=" + demoTopic, "DEMARC_LOG_LEVEL=error",
	}, kafkaSinks(d.policy))
	if err != nil {
		return err
	}
	d.service, err = newService(d.policy, c, true, d.ledger, newLogger(d.screen, &c.settings))
	if err != nil {
		return err
	}
	begun := time.Now()
	showing, hide := context.WithCancel(ctx)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		d.showBar(showing)
	}()
	err = d.service.serve(ctx, &terminal{w: d.screen})
	hide()
	<-shown
	took := time.Since(begun)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	d.counts = readAccounts(d.service.router.Accounts(), begun).counts
	if _, err := fmt.Fprintf(d.out, "%s events of 760 bytes, %d partitions -> 3 clusters and quarantine in %.1f s: %s records/s\n\n",
		share.Thousands(d.counts.total()), demoPartitions, took.Seconds(), share.Thousands(uint64(float64(d.counts.total())/took.Seconds()))); err != nil {
		return err
	}
	return d.counts.writeRouting(d.out, d.policy)
}

// showBar draws the share of the source that has settled until ctx ends.
func (d *demo) showBar(ctx context.Context) {
	defer d.screen.show("")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			d.screen.show(bar("routing", readAccounts(d.service.router.Accounts(), at).settled, d.load.Records))
		}
	}
}

// bar is a progress bar of 40 cells.
func bar(what string, done, all int64) string {
	cells := int(done * 40 / all)
	return fmt.Sprintf("%-15s [%s%s] %s of %s", what, strings.Repeat("#", cells), strings.Repeat(".", 40-cells), share.Thousands(uint64(done)), share.Thousands(uint64(all)))
}

// judge reads every sink back and compares each record with the truth about it, which its generator knows.
func (d *demo) judge(ctx context.Context) error {
	j := newJudge(d.load)
	for _, at := range []struct {
		sink    string
		cluster *devbroker.Cluster
		topic   string
	}{
		{"us-oci", d.us, "events.us"}, {"eu-fra", d.eu, "events.eu"}, {"sg-main", d.sg, "events.row"}, {"eu-quarantine", d.eu, "quarantine.eu"},
	} {
		d.screen.show("reading back " + at.sink)
		if err := devbroker.Each(ctx, at.cluster.Brokers(), at.topic, func(r *kgo.Record) error {
			j.see(at.sink, r)
			return nil
		}); err != nil {
			return fmt.Errorf("read back %s: %w", at.sink, err)
		}
	}
	if err := sinks.ReadDir(filepath.Join(d.dir, "us-quarantine"), func(r sinks.StoredRecord) error {
		j.see("us-quarantine", storedRecord(r))
		return nil
	}); err != nil {
		return fmt.Errorf("read back us-quarantine: %w", err)
	}
	d.screen.show("")
	if !j.flawless() {
		v := j.verdict
		fmt.Fprintf(d.out, "\n  NOT as it should be: %d missing, %d in a foreign sink, %d altered, %d twice, %d unknown; the first: %s\n",
			j.missing(), v.Foreign, v.Altered, v.Duplicate, v.Unknown, v.firstFault)
		return answerNo()
	}
	for i, sink := range d.policy.Sinks {
		if counted := d.counts.inSink(int16(i)); counted != j.inSink[sink.Name] {
			fmt.Fprintf(d.out, "\n  NOT as it should be: %s holds %d records, the router counted %d\n", sink.Name, j.inSink[sink.Name], counted)
			return answerNo()
		}
	}
	_, err := fmt.Fprintf(d.out, `
  checked: all sinks were read back, the topics by another Kafka client. Each of the %s records is there
           exactly once, byte for byte, where its generator says its user belongs; the hostile ones, and
           only those, are in a quarantine, with the reason that their generator says
`, share.Thousands(j.verdict.Good))
	return err
}

// storedRecord is a record of the directory sink as the judge wants it.
func storedRecord(r sinks.StoredRecord) *kgo.Record {
	k := &kgo.Record{Topic: r.Source.Topic, Partition: r.Source.Partition, Offset: r.Number, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: string(h.Key), Value: h.Value})
	}
	return k
}

// nextCommands prints commands that work in the shell that started the demo.
func (d *demo) nextCommands(program string) error {
	_, err := fmt.Fprintf(d.out, `
  try next:
    %[2]s check %[1]s/policy.yaml
    %[2]s test %[1]s/policy.yaml %[1]s/cases.yaml
    echo '{"user":{"verified_region":"DE"}}' | %[2]s explain %[1]s/policy.yaml
    %[2]s cat %[1]s/us-quarantine | head -n 1
    %[2]s verify %[1]s/ledger --key %[3]s
    %[2]s claim %[1]s/ledger %[1]s/claim.yaml --key %[3]s
    %[2]s report %[1]s/ledger --key %[3]s
`, d.dir, program, d.vkey)
	return err
}
