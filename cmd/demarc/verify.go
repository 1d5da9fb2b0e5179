package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
)

type verifyCmd struct {
	Ledger  string `arg:"" help:"Folder of the ledger, or a copy of it, or the http or https URL where its files are."`
	Key     string `required:"" placeholder:"VKEY" help:"Verifier key of the ledger, NAME+HASH+BASE64, as \"demarc ledger init\" printed it."`
	Since   string `placeholder:"CHECKPOINT" help:"File with an earlier checkpoint of the ledger, with which it must begin."`
	Witness quorum `placeholder:"K-of-N FILE" help:"How many of how many witnesses must have signed the checkpoint, and the file of their verifier keys, one on a line."`
}

func (verifyCmd) Help() string {
	return `Reads the whole ledger and checks signatures, hashes, the form of every entry and that the entries fit together; it needs nothing but the ledger and its key. Prints every fault with the entry's number and exits 1, or what the ledger holds and which source offsets it does not cover and exits 0. Keep the file "checkpoint" of the day: with --since it proves next time that nothing was rewritten.

Example:

    demarc verify /var/lib/demarc/ledger --key "$VKEY"
    demarc verify https://audit.example.com/ledger --key "$VKEY" --since checkpoint.2026-01-31 --witness 2-of-3 witnesses.txt`
}

// quorum is "K-of-N FILE", two words of the command line.
type quorum struct {
	need, of int
	file     string
}

// Decode reads both words.
func (q *quorum) Decode(ctx *kong.DecodeContext) error {
	var words [2]string
	for i, name := range []string{"K-of-N", "FILE"} {
		token, err := ctx.Scan.PopValue(name)
		if err != nil {
			return err
		}
		words[i] = token.String()
	}
	need, of, found := strings.Cut(words[0], "-of-")
	var err1, err2 error
	q.need, err1 = strconv.Atoi(need)
	q.of, err2 = strconv.Atoi(of)
	if !found || err1 != nil || err2 != nil || q.need < 1 || q.need > q.of {
		return fmt.Errorf("want K-of-N FILE, such as 2-of-3 witnesses.txt, not %q", words[0])
	}
	q.file = words[1]
	return nil
}

func (cmd verifyCmd) Run(s *streams) error {
	log, key, err := openLedger(cmd.Ledger, cmd.Key)
	if err != nil {
		return err
	}
	var opts verify.Options
	if opts.Witnesses, err = cmd.Witness.read(); err != nil {
		return err
	}
	opts.Quorum = cmd.Witness.need
	if cmd.Since != "" {
		opts.Since, err = openCheckpoint(cmd.Since, key)
		if errors.Is(err, tiles.ErrNotSigned) {
			_, err = fmt.Fprintf(s.out, "%v: it is of another log, or the log's key was replaced\n", err)
			return errors.Join(answerNo(), err)
		}
		if err != nil {
			return err
		}
	}
	t := newTerminal(s.err)
	opts.Progress = walkProgress(t)
	result, err := verify.Walk(context.Background(), log, key, opts, nil)
	t.show("")
	if err != nil {
		return couldNotRead(cmd.Ledger, err)
	}
	if result.FaultCount > 0 {
		return errors.Join(answerNo(), writeFaults(s.out, result))
	}
	return writeVerified(s.out, cmd.Ledger, result)
}

// openLedger finds a ledger, a folder or a URL, for the commands that read one.
func openLedger(location, vkey string) (*tiles.Log, tiles.Key, error) {
	key, err := tiles.ParseKey(vkey)
	if err != nil {
		return nil, key, usageError(err)
	}
	log, err := openTiles(location)
	return log, key, err
}

// openTiles finds a ledger by its folder or URL.
func openTiles(location string) (*tiles.Log, error) {
	if isURL(location) {
		source, err := tiles.Web(location)
		if err != nil {
			return nil, usageError(err)
		}
		return tiles.New(source), nil
	}
	if strings.Contains(location, "://") {
		return nil, usageError(fmt.Errorf("open ledger %s: want a folder, or an http or https URL", location))
	}
	info, err := os.Stat(location)
	if err == nil && !info.IsDir() {
		err = usageError(errors.New("it is not a folder"))
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", location, err)
	}
	return tiles.New(tiles.Folder(location)), nil
}

func isURL(location string) bool {
	return strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://")
}

// couldNotRead keeps what a network says apart from the mistakes of a caller, which look alike.
func couldNotRead(location string, err error) error {
	err = fmt.Errorf("read ledger: %w", err)
	if isURL(location) {
		return &exit{code: exitUnknown, cause: err}
	}
	return err
}

// maxKeys is far beyond any file of checkpoints or keys.
const maxKeys = 1 << 20

func openCheckpoint(path string, key tiles.Key) (*tiles.Checkpoint, error) {
	data, err := readFile(path, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	c, err := tiles.OpenCheckpoint(data, key)
	if err != nil {
		return nil, usageError(fmt.Errorf("checkpoint %s: %w", path, err))
	}
	return c, nil
}

func (q quorum) read() ([]tiles.Witness, error) {
	if q.need == 0 {
		return nil, nil
	}
	text, err := readFile(q.file, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("read witnesses: %w", err)
	}
	witnesses, err := tiles.ParseWitnesses(text)
	if err != nil {
		return nil, usageError(fmt.Errorf("witnesses %s: %w", q.file, err))
	}
	if len(witnesses) != q.of {
		return nil, usageError(fmt.Errorf("witnesses %s: holds %d keys, not %d", q.file, len(witnesses), q.of))
	}
	return witnesses, nil
}

// walkProgress shows on a terminal how far the reading of a ledger has come, ten times a second at most.
func walkProgress(t *terminal) func(done, size uint64) {
	start := time.Now()
	shown := start
	return func(done, size uint64) {
		now := time.Now()
		if now.Sub(shown) < 100*time.Millisecond && done < size {
			return
		}
		shown = now
		const width = 30
		full := int(width * done / size)
		speed := float64(done) / max(now.Sub(start).Seconds(), 0.001)
		t.show(fmt.Sprintf("[%s%s] %s of %s entries  %s  %s/s", strings.Repeat("#", full), strings.Repeat(".", width-full),
			share.Thousands(done), share.Thousands(size), tenths(done, size), share.Thousands(uint64(speed))))
	}
}

// writeFaults prints the faults, one a line, and how many there are.
func writeFaults(w io.Writer, r *verify.Result) error {
	var b strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintln(&b, f)
	}
	if more := r.FaultCount - len(r.Faults); more > 0 {
		fmt.Fprintf(&b, "and %s more\n", share.Thousands(uint64(more)))
	}
	fmt.Fprintf(&b, "The ledger does not verify: faults: %s, entries read: %s.\n", share.Thousands(uint64(r.FaultCount)), share.Thousands(r.Entries))
	_, err := io.WriteString(w, ledger.Visible(b.String()))
	return err
}

// writeVerified prints what a good ledger holds and what it leaves open.
func writeVerified(w io.Writer, location string, r *verify.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: good: %s, %s entries, root %s\n", location, r.Checkpoint.Origin, share.Thousands(r.Entries), r.Checkpoint.Root.String())
	for _, c := range r.Cosignatures {
		fmt.Fprintf(&b, "  cosigned by %s at %s\n", c.Witness, c.At.Format(time.RFC3339))
	}
	for _, kind := range []ledger.Kind{ledger.KindRange, ledger.KindReplay, ledger.KindGap, ledger.KindSpan, ledger.KindPolicy, ledger.KindPins} {
		if n := r.Kinds[kind]; n > 0 {
			fmt.Fprintf(&b, "  %10s %s\n", share.Thousands(n), kind)
		}
	}
	for i := range r.Partitions {
		p := &r.Partitions[i]
		for _, open := range p.Uncovered() {
			fmt.Fprintf(&b, "  not covered: %s [%d,%d)%s\n", p.Stream, open.From, open.To, gapReason(p, open))
		}
	}
	for _, k := range r.Sinks {
		if k.UnvouchedReceipts > 0 {
			fmt.Fprintf(&b, "  not vouched for: %s records in sink %s under policy version %d, from entry %d on: their receipts follow word that its pins did not hold\n",
				share.Thousands(uint64(k.UnvouchedRecords)), k.Name, k.Policy.Version, k.UnvouchedEntry)
		}
	}
	_, err := io.WriteString(w, ledger.Visible(b.String()))
	return err
}

// gapReason is the operator's word for an uncovered interval that is a gap.
func gapReason(p *verify.Partition, open verify.Interval) string {
	for _, g := range p.Gaps {
		if g.From == open.From && g.To == open.To {
			return fmt.Sprintf(": gap, entry %d: %s", g.Entry, g.Reason)
		}
	}
	return ""
}
