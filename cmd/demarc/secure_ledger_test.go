package main

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/demarc/demarc/internal/devbroker"
)

// secureSeveral is a ledger's cluster with mutual TLS and SCRAM, and what reaches it: settings of DEMARC_LEDGER_..., and
// none of the source's, which is plain.
func (s *site) secureSeveral(t *testing.T) (instance, sequencer []string, dir, vkey string, stranger authority) {
	t.Helper()
	server, client, stranger := newAuthority(t, s.dir, "server"), newAuthority(t, s.dir, "client"), newAuthority(t, s.dir, "stranger")
	instance, sequencer, dir, vkey = s.several(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "keeper", "hunter4"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.pair}, ClientCAs: client.pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	access := []string{
		"DEMARC_LEDGER_TLS=true", "DEMARC_LEDGER_TLS_CA=" + server.certFile,
		"DEMARC_LEDGER_TLS_CERT=" + client.certFile, "DEMARC_LEDGER_TLS_KEY=" + client.keyFile,
		"DEMARC_LEDGER_SASL_MECHANISM=scram-sha-512", "DEMARC_LEDGER_SASL_USER=keeper",
		"DEMARC_LEDGER_SASL_PASSWORD_FILE=" + write(t, s.dir, "password", "hunter4\n"),
	}
	return append(instance, access...), append(sequencer, access...), dir, vkey, stranger
}

// TestLedgerTopicsWithTLSAndSASL: an instance, the sequencer and a gap reach the ledger's cluster with its own settings.
func TestLedgerTopicsWithTLSAndSASL(t *testing.T) {
	s := newSite(t, "us-cluster")
	instance, sequencer, dir, vkey, stranger := s.secureSeveral(t)
	s.produce(t, "US", "DE", "US", "", "ZZ")
	wrong := []string{"DEMARC_LEDGER_TLS_CA=" + stranger.certFile}
	call{args: []string{"run", s.policy, "--until-end"}, env: slices.Concat(instance, wrong)}.run(t).want(t, 2, "", "certificate signed by unknown authority")
	call{args: []string{"sequence", "--until-end"}, env: slices.Concat(sequencer, wrong)}.run(t).want(t, 2, "", "certificate signed by unknown authority")
	var said strings.Builder
	say := func(r result) result {
		said.WriteString(r.out + r.err)
		return r
	}
	say(call{args: []string{"run", s.policy, "--until-end"}, env: instance}.run(t)).want(t, 0, "5 records in", "assigned")
	s.produce(t, "US", "US", "US", "US", "US", "US", "US", "US", "US", "US")
	say(call{args: []string{"gap", "events/0", "--to", "7", "--reason", "test"}, env: instance}.run(t)).want(t, 0, "goes on at offset 7", "retention.ms=-1")
	say(call{args: []string{"sequence", "--until-end"}, env: sequencer}.run(t)).want(t, 0, "", "sequencing")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "1 gap", "")
	say(call{args: []string{"config"}, env: instance}.run(t))
	if strings.Contains(said.String(), "hunter") {
		t.Errorf("output shows a password:\n%s", said.String())
	}
}

// TestLedgerTopicsOnTheSourcesCluster are reached with the source's settings.
func TestLedgerTopicsOnTheSourcesCluster(t *testing.T) {
	s := newSite(t, "us-cluster")
	server := newAuthority(t, s.dir, "source")
	c, err := devbroker.Start("source", []devbroker.Topic{{Name: "events", Partitions: 2}, {Name: "demarc.entries", Partitions: 2}, {Name: "demarc.checkpoints", Partitions: 1}},
		kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "hunter5"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.pair}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	access := []string{
		"DEMARC_BROKERS=" + c.Brokers()[0], "DEMARC_TLS=true", "DEMARC_TLS_CA=" + server.certFile,
		"DEMARC_SASL_MECHANISM=plain", "DEMARC_SASL_USER=reader", "DEMARC_SASL_PASSWORD=hunter5", "DEMARC_LEDGER_TOPIC=demarc.entries",
	}
	dir := s.dir + "/ledger"
	call{args: []string{"ledger", "init", dir, "--origin", "example.com/test"}}.run(t).want(t, 0, "example.com/test", "")
	call{args: []string{"run", s.policy, "--until-end"}, env: slices.Concat(s.env, access)}.run(t).want(t, 0, "0 records in", "assigned")
	sequencing := slices.Concat(access, []string{"DEMARC_LEDGER=" + dir, "DEMARC_LEDGER_CHECKPOINTS_TOPIC=demarc.checkpoints", "DEMARC_LISTEN=127.0.0.1:0"})
	call{args: []string{"sequence", "--until-end"}, env: sequencing}.run(t).want(t, 0, "", "sequencing")
}
