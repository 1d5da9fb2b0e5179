package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/router/recount"
)

type recountCmd struct {
	Ledger string   `arg:"" help:"Folder of the ledger, or a copy of it, or the http or https URL where its files are."`
	Policy string   `arg:"" help:"Policy file, as it was run with: its sinks are read."`
	Key    string   `required:"" placeholder:"VKEY" help:"Verifier key of the ledger, NAME+HASH+BASE64, as \"demarc ledger init\" printed it."`
	Places []string `name:"places" placeholder:"POLICY" sep:"none" help:"Another policy file whose sinks may be read as well, for receipts under an older policy. Can be repeated."`
	Source bool     `help:"Compare with the source too: every record of every range must be in a sink, unchanged."`
	Sample *uint64  `placeholder:"N" help:"Look at N receipts, chosen at random, in place of all."`
	Seed   *uint64  `help:"Choose the sample that this number, printed by an earlier recount, chose."`
	Geo    []string `placeholder:"FILE" sep:"none" help:"Geo database that records were decided with, beside the embedded one and DEMARC_GEO_DB. Can be repeated."`
	Format string   `enum:"text,json" default:"text" placeholder:"text|json" help:"Default: text."`
}

func (recountCmd) Help() string {
	return `Verifies the ledger, then reads the sinks again: compares the bytes with every receipt, decides every record again from these bytes, and finds records that no receipt covers. Exits 0 if all is as the ledger says, 1 for any difference, 3 if something could not be found out.

Brokers, topics and directories come from the policy files given here, never from the ledger alone; TLS and SASL settings from the environment as for "demarc run". Pins are checked on every connection. Nothing is written, and no right but Describe and Read is needed. What does not fit into memory waits in TMPDIR, about 160 bytes for each receipt, 300 with --source.

The JSON document has "format": 1 and "verdict": "equal", "different" or "unknown"; "ledger" (origin, size and root of the tree that was read); "policy" and "policies" (version, sha256); "sample" (seed, drawn, of, confidence), only if there was one; "receipts", "records", "sinks", "places" and "source" with the numbers; "differences", their number by kind, and "listed", the first 1,000 of them with entry, receipt, sink, place, offset and cause; "unknown", what could not be found out. router/recount/README.md says what each number means.

Example:

    demarc recount /var/lib/demarc/ledger policy.yaml --key "$VKEY"
    demarc recount https://audit.example.com/ledger policy.yaml --key "$VKEY" --sample 3000 --format json > recount.json`
}

func (cmd recountCmd) Run(s *streams) error {
	log, key, err := openLedger(cmd.Ledger, cmd.Key)
	if err != nil {
		return err
	}
	if cmd.Seed != nil && cmd.Sample == nil {
		return usageError(errors.New("--seed: means nothing without --sample"))
	}
	cfg := recount.Config{Ledger: log, Key: key, Seed: cmd.seed(), ClientID: clientID}
	if cmd.Sample != nil {
		if cfg.Sample = *cmd.Sample; cfg.Sample == 0 {
			return usageError(errors.New("--sample=0: want at least 1, or no --sample for all receipts"))
		}
	}
	settings, err := cmd.sinks(s, &cfg)
	if err != nil {
		return err
	}
	if cfg.Geo, err = cmd.geos(settings, cfg.Policy); err != nil {
		return err
	}
	ctx := context.Background()
	if cmd.Source {
		source, err := openRecountSource(ctx, settings)
		if err != nil {
			return err
		}
		defer source.Transport.(*kafka.Transport).CloseIdleConnections()
		cfg.Source = source
	}
	t := newTerminal(s.err)
	cfg.Progress = recountProgress(t)
	result, err := recount.Run(ctx, cfg)
	t.show("")
	if err != nil {
		return couldNotRead(cmd.Ledger, err)
	}
	if err := cmd.write(s, result); err != nil {
		return err
	}
	switch result.Verdict {
	case recount.Different:
		return answerNo()
	case recount.Unknown:
		return &exit{code: exitUnknown}
	}
	return nil
}

// sinks reads the policies and says how their sinks are reached.
func (cmd recountCmd) sinks(s *streams, cfg *recount.Config) (*configuration, error) {
	var all []*classifier.Policy
	var names []string
	for _, path := range append([]string{cmd.Policy}, cmd.Places...) {
		p, _, err := loadPolicy(path, s)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
		for _, name := range kafkaSinks(p) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	cfg.Policy = all[0]
	settings, err := configure(s.environ, names)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		for i := range p.Sinks {
			place := recount.SinkPlace{Name: p.Sinks[i].Name}
			if p.Sinks[i].File != nil {
				place.Dir = p.Sinks[i].File.Dir
			} else {
				topic, err := settings.kafkaSink(&p.Sinks[i])
				if err != nil {
					return nil, err
				}
				place.Topic = &topic
			}
			cfg.Sinks = append(cfg.Sinks, place)
		}
	}
	return settings, nil
}

// geos opens the databases at hand.
func (cmd recountCmd) geos(c *configuration, p *classifier.Policy) ([]*classifier.Geo, error) {
	embedded, err := classifier.EmbeddedGeo()
	if err != nil {
		return nil, fmt.Errorf("open embedded geo database: %w", err)
	}
	all := []*classifier.Geo{embedded}
	paths := cmd.Geo
	if c.GeoDB != "" {
		paths = append(slices.Clone(paths), c.GeoDB)
	}
	for _, path := range paths {
		geo, err := openGeo(path, p)
		if err != nil {
			return nil, err
		}
		all = append(all, geo)
	}
	return all, nil
}

// seed is the one given, or one that nobody could know before; readers of JSON take its 53 bits.
func (cmd recountCmd) seed() uint64 {
	if cmd.Seed != nil {
		return *cmd.Seed
	}
	return rand.Uint64N(1 << 53)
}

// openRecountSource reaches the source cluster as `demarc run` does.
func openRecountSource(ctx context.Context, c *configuration) (*recount.Source, error) {
	if len(c.Brokers) == 0 {
		return nil, usageError(errors.New("DEMARC_BROKERS is not set: --source reads the source cluster, such as kafka-1:9092,kafka-2:9092"))
	}
	access, err := c.Source.open(envPrefix)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	transport := &kafka.Transport{Dial: access.dial, SASL: access.sasl, ClientID: clientID}
	addr := kafka.TCP(c.Brokers...)
	found, err := (&kafka.Client{Addr: addr, Transport: transport}).Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		transport.CloseIdleConnections()
		return nil, &exit{code: sourceCode(err), cause: fmt.Errorf("reach source %s: %w; look at DEMARC_BROKERS and its TLS and SASL settings", strings.Join(c.Brokers, ","), err)}
	}
	return &recount.Source{Transport: transport, Addr: addr, ClusterID: found.ClusterID}, nil
}

func (cmd recountCmd) write(s *streams, r *recount.Result) error {
	if cmd.Format == "text" {
		return writeRecount(s.out, r)
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	if err == nil {
		_, err = io.WriteString(s.out, ledger.Visible(text.String()))
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// recountProgress shows how far the phase at hand has come, ten times a second at most.
func recountProgress(t *terminal) func(recount.Phase, uint64, uint64) {
	var mu sync.Mutex
	var at recount.Phase
	var start, shown time.Time
	return func(p recount.Phase, done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if p != at {
			at, start, shown = p, now, time.Time{}
		}
		if now.Sub(shown) < 100*time.Millisecond && done < total {
			return
		}
		shown = now
		const width = 30
		total = max(total, done, 1)
		full := int(width * done / total)
		speed := float64(done) / max(now.Sub(start).Seconds(), 0.001)
		t.show(fmt.Sprintf("[%s%s] %s of %s %s  %s  %s/s", strings.Repeat("#", full), strings.Repeat(".", width-full),
			share.Thousands(done), share.Thousands(total), p, tenths(done, total), share.Thousands(uint64(speed))))
	}
}
