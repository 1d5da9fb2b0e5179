package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/report"
	"github.com/demarc/demarc/ledger/tiles"
)

type reportCmd struct {
	Ledger       string   `arg:"" help:"Folder of the ledger, a live one too, or the http or https URL where its files are."`
	Key          string   `placeholder:"VKEY" help:"Verifier key of the ledger: it is verified first. Without it nothing is checked, and the report says so."`
	By           string   `enum:",hour,day" default:"" placeholder:"hour|day" help:"Divide by the time of records, in UTC; a range counts where its first record lies."`
	Topic        []string `short:"t" sep:"none" placeholder:"TOPIC" help:"Source topic; may be repeated. Default: all."`
	Jurisdiction []string `short:"j" sep:"none" placeholder:"NAME" help:"Sets with this jurisdiction; none: records without any candidate. May be repeated. Default: all."`
	Format       string   `enum:"text,csv,json" default:"text" placeholder:"text|csv|json" help:"Default: text."`
}

func (reportCmd) Help() string {
	return `Prints what share of the records went where and why, by set of jurisdictions, sink and reason, up to the ledger's current checkpoint. Percentages are of the records asked for, and cut off: 100.0000 means all of them, 0.0000 none. What was stored once more after a crash is not added up.

Example:

    demarc report /var/lib/demarc/ledger --by day
    demarc report /var/lib/demarc/ledger --key "$VKEY" --jurisdiction US --by hour --format csv > us.csv`
}

func (cmd reportCmd) Run(s *streams) error {
	a := report.New(report.Options{
		By:     map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[cmd.By],
		Topics: cmd.Topic, Jurisdictions: cmd.Jurisdiction,
	})
	add := func(_ uint64, e *ledger.Entry) error { return a.Add(e) }
	var l report.Ledger
	if cmd.Key != "" {
		v, err := walkLedger(s, cmd.Ledger, cmd.Key, "", add)
		if err != nil {
			return err
		}
		at := v.result.Checkpoint
		l = report.Ledger{Origin: at.Origin, Size: at.Size, Root: at.Root.String(), Key: strings.TrimSpace(cmd.Key)}
	} else {
		var err error
		if l, err = readUnverified(s, cmd.Ledger, add); err != nil {
			return err
		}
	}
	r := a.Report(l)
	if r.Records == 0 && len(cmd.Topic)+len(cmd.Jurisdiction) > 0 {
		fmt.Fprintln(s.err, "demarc: no record of the ledger is of the --topic and --jurisdiction asked for; without them the report names all that there are")
	}
	write := r.WriteText
	switch cmd.Format {
	case "csv":
		write = r.WriteCSV
		if cmd.Key == "" {
			fmt.Fprintln(s.err, "demarc: the ledger was not verified: give --key to do so") // CSV has no place for it
		}
	case "json":
		write = r.WriteJSON
	}
	if err := write(s.out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// readUnverified visits the entries up to the current checkpoint without checking a signature or a hash.
func readUnverified(s *streams, location string, visit func(uint64, *ledger.Entry) error) (report.Ledger, error) {
	log, err := openTiles(location)
	if err != nil {
		return report.Ledger{}, err
	}
	ctx := context.Background()
	text, err := log.Checkpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; is it a ledger?", err)
	}
	if err != nil {
		return report.Ledger{}, couldNotRead(location, err)
	}
	l, err := unverifiedCheckpoint(string(text))
	if err != nil {
		return l, &exit{code: exitUnknown, cause: fmt.Errorf("read ledger %s: checkpoint %w", location, err)}
	}
	t := newTerminal(s.err)
	defer t.show("")
	progress := walkProgress(t)
	for done := uint64(0); done < l.Size; {
		bundle, err := log.Entries(ctx, done/tiles.Width, int(min(tiles.Width, l.Size-done)))
		if err != nil {
			return l, couldNotRead(location, err)
		}
		for _, text := range bundle {
			e, err := ledger.Decode(text)
			if err != nil {
				return l, &exit{code: exitUnknown, cause: fmt.Errorf("read ledger %s: entry %d: %w: `demarc verify` says what else is wrong", location, done, err)}
			}
			if err := visit(done, &e); err != nil {
				return l, err
			}
			done++
		}
		progress(done, l.Size)
	}
	return l, nil
}

// unverifiedCheckpoint reads origin, size and root of a checkpoint (tlog-checkpoint), its signatures not looked at.
func unverifiedCheckpoint(text string) (report.Ledger, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return report.Ledger{}, errors.New("has fewer than three lines")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return report.Ledger{}, fmt.Errorf("has the size %q, want a decimal number", lines[1])
	}
	if root, err := base64.StdEncoding.DecodeString(lines[2]); err != nil || len(root) != tiles.HashSize {
		return report.Ledger{}, fmt.Errorf("has the root %q, want base64 of %d bytes", lines[2], tiles.HashSize)
	}
	return report.Ledger{Origin: lines[0], Size: size, Root: lines[2]}, nil
}
