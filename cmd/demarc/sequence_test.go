package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/demarc/demarc/internal/devbroker"
)

// several makes a cluster with the ledger's topics and a folder, and returns the environments of an instance and of the
// sequencer.
func (s *site) several(t *testing.T, opts ...kfake.Opt) (instance, sequencer []string, dir, vkey string) {
	t.Helper()
	c, err := devbroker.Start("ledger-cluster", []devbroker.Topic{{Name: "demarc.entries", Partitions: 2}, {Name: "demarc.checkpoints", Partitions: 1}}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir = filepath.Join(s.dir, "ledger")
	made := call{args: []string{"ledger", "init", dir, "--origin", "example.com/test"}}.run(t)
	made.want(t, 0, "example.com/test+", "")
	shared := []string{"DEMARC_LEDGER_BROKERS=" + c.Brokers()[0], "DEMARC_LEDGER_TOPIC=demarc.entries", "DEMARC_LISTEN=127.0.0.1:0"}
	return append(slices.Clone(s.env), shared...),
		append(shared, "DEMARC_LEDGER="+dir, "DEMARC_LEDGER_CHECKPOINTS_TOPIC=demarc.checkpoints"), dir, strings.TrimSpace(made.out)
}

func TestSequencePutsInstancesIntoOneLedger(t *testing.T) {
	s := newSite(t, "us-cluster")
	instance, sequencer, dir, vkey := s.several(t)
	s.produce(t, "US", "DE", "US", "", "ZZ")
	call{args: []string{"run", s.policy, "--until-end"}, env: instance}.run(t).want(t, 0, "5 records in", "assigned")
	call{args: []string{"sequence", "--until-end"}, env: sequencer}.run(t).want(t, 0, "", "sequencing")
	verified := call{args: []string{"verify", dir, "--key", vkey}}.run(t)
	verified.want(t, 0, "2 range", "")
	s.produce(t, "US", "DE")
	call{args: []string{"run", s.policy, "--until-end"}, env: instance}.run(t).want(t, 0, "2 records in", "assigned")
	for range 2 {
		call{args: []string{"sequence", "--until-end"}, env: sequencer}.run(t).want(t, 0, "", "sequencing")
	}
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "4 range", "")
	s.produce(t, "US", "US", "US", "US", "US", "US", "US", "US", "US", "US")
	call{args: []string{"gap", "events/0", "--to", "9", "--reason", "test"}, env: instance}.run(t).want(t, 0, "goes on at offset 9; offsets 4 to 8 are a gap", "retention.ms=-1")
	call{args: []string{"sequence", "--until-end"}, env: sequencer}.run(t).want(t, 0, "", "sequencing")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "1 gap", "")
}

func TestSequenceRefuses(t *testing.T) {
	s := newSite(t, "us-cluster")
	instance, sequencer, dir, _ := s.several(t)
	call{args: []string{"run", s.policy, "--until-end"}, env: append(instance, "DEMARC_LEDGER="+dir)}.run(t).want(t, 2, "", "are both set")
	call{args: []string{"gap", "events/0", "--to", "9", "--reason", "test"}, env: append(instance, "DEMARC_LEDGER="+dir)}.run(t).want(t, 2, "", "are both set")
	call{args: []string{"sequence"}}.run(t).want(t, 2, "", "DEMARC_LEDGER_CHECKPOINTS_TOPIC is not set")
	call{args: []string{"sequence"}}.run(t).want(t, 2, "", "DEMARC_BROKERS will do")
	call{args: []string{"sequence"}, env: append(sequencer, "DEMARC_LEDGER_TOPIC=none")}.run(t).want(t, 2, "", "kafka-topics.sh")
	call{args: []string{"sequence"}, env: append(sequencer, "DEMARC_LEDGER="+dir+".none")}.run(t).want(t, 2, "", "demarc ledger init")
	call{args: []string{"run", s.policy, "--until-end"}, env: append(instance, "DEMARC_LEDGER_TOPIC=none")}.run(t).want(t, 2, "", "kafka-topics.sh")
}
