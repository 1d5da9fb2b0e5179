package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"k8s.io/klog/v2"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// ledgerCmd holds what is done to a ledger itself; the commands that read one stand beside it.
type ledgerCmd struct {
	Init ledgerInitCmd `cmd:"" help:"Make an empty ledger and its key; print the key that verifies it."`
}

func (ledgerCmd) Help() string {
	return `Example:

    demarc ledger init /var/lib/demarc/ledger --origin audit.example.com/events`
}

type ledgerInitCmd struct {
	Ledger string `arg:"" help:"New folder for the ledger."`
	Origin string `placeholder:"NAME" help:"Name of the log in its checkpoints, yours alone, such as audit.example.com/events; default: demarc/HOSTNAME/ and the time."`
}

func (ledgerInitCmd) Help() string {
	return `Makes the folder, which can be served and copied as it is, and beside it the file LEDGER.key with the key that signs, for the owner only: keep it, and give it to nobody. Prints the verifier key: auditors need it from you, not from the ledger's folder.

Example:

    demarc ledger init /var/lib/demarc/ledger --origin audit.example.com/events`
}

func (cmd ledgerInitCmd) Run(s *streams) error {
	origin := cmd.Origin
	if origin == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name the log after this host: %w; give it a name with --origin", err)
		}
		origin = fmt.Sprintf("demarc/%s/%d", host, time.Now().Unix())
	}
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	vkey, err := writer.Init(cmd.Ledger, origin)
	if err != nil {
		return usageError(err)
	}
	_, err = fmt.Fprintln(s.out, vkey)
	return err
}

// folder is the ledger of a process that writes its log itself: the only owner of any partition there is.
type folder struct{ log *writer.Log }

// Resume says how far each partition is covered. Nobody else can append: the log is locked. What an Append that
// reported an error has left there counts: the partition is not read from before it, in other pieces.
func (f folder) Resume(ctx context.Context, partitions []ledger.Stream) (map[ledger.Stream]int64, error) {
	known, err := f.log.Admission(ctx)
	if err != nil {
		return nil, err
	}
	covered := map[ledger.Stream]int64{}
	for _, p := range partitions {
		if to, ok := known.Position(p); ok {
			covered[p] = to
		}
	}
	return covered, nil
}

// Append makes entries durable in the log.
func (f folder) Append(ctx context.Context, entries []ledger.Entry) error {
	return f.log.Append(ctx, entries)
}

// openFolder opens the log that DEMARC_LEDGER names; nil if it names none.
func openFolder(ctx context.Context, c *settings, to *slog.Logger, opts writer.Options) (*writer.Log, error) {
	if c.Ledger == "" {
		return nil, nil
	}
	klog.SetSlogLogger(to.With("from", "tessera"))
	log, err := writer.Open(ctx, c.Ledger, c.LedgerKey, opts)
	if err != nil {
		return nil, explainOpen(c, err)
	}
	return log, nil
}

// refuseVersion makes sure that a policy may follow those that a log tells of: a version has one text, and versions
// only grow. A log whose ranges went back to an older one would never verify again.
func refuseVersion(ctx context.Context, log *writer.Log, p *classifier.Policy) error {
	if log == nil {
		return nil
	}
	known, err := log.Admission(ctx)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	told := known.Policies()
	if sum, ok := told[int64(p.Version)]; ok && sum != hex.EncodeToString(p.Hash[:]) {
		return usageError(fmt.Errorf("the ledger holds another text of policy version %d, with SHA-256 %s: a changed policy needs a higher version", p.Version, sum))
	}
	newest := slices.Max(append(slices.Collect(maps.Keys(told)), 0))
	if newest > int64(p.Version) {
		return usageError(fmt.Errorf("policy version %d is lower than %d, which the ledger holds: versions only grow; to go back to this policy, give it version %d", p.Version, newest, newest+1))
	}
	return nil
}

// explainOpen says what can be done about a ledger that does not open.
func explainOpen(c *settings, err error) error {
	_, noLog := os.Stat(filepath.Join(c.Ledger, "checkpoint"))
	_, noKey := os.Stat(cmp.Or(c.LedgerKey, writer.KeyFile(c.Ledger)))
	switch {
	case noLog != nil:
		return usageError(fmt.Errorf("%w; DEMARC_LEDGER=%s is no ledger: demarc ledger init makes one", noLog, c.Ledger))
	case noKey != nil:
		return usageError(fmt.Errorf("%w; DEMARC_LEDGER_KEY names the ledger's key, %s by default; without it the ledger cannot grow, only be read", err, writer.KeyFile(c.Ledger)))
	}
	return err
}

// closeLimit is how long the end of a process waits for the last checkpoint. Without it the next start signs one.
const closeLimit = 10 * time.Second

func closeFolder(log *writer.Log) error {
	if log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if err := log.Close(ctx); err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}

// showLedger adds the log's own metrics.
func showLedger(set *metrics.Set, log *writer.Log) {
	set.GetOrCreateGauge("demarc_ledger_size", func() float64 { return float64(log.Size()) })
	// Both are of one checkpoint, whose signature is verified: once, and not of two when a new one comes in between.
	set.RegisterMetricsWriter(func(w io.Writer) {
		size, at := -1.0, -1.0
		if cp, err := log.Checkpoint(); err == nil {
			size, at = float64(cp.Size), float64(cp.Time.UnixMilli())/1000
		}
		metrics.WriteGaugeFloat64(w, "demarc_ledger_checkpoint_size", size)
		metrics.WriteGaugeFloat64(w, "demarc_ledger_checkpoint_timestamp_seconds", at)
	})
}
