package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/claim"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
)

type claimCmd struct {
	Ledger  string `arg:"" help:"Folder of the ledger, or a copy of it, or the http or https URL where its files are."`
	Claim   string `arg:"" help:"Claim file; ledger/CLAIMS.md describes it."`
	Recount string `placeholder:"FILE" help:"What \"demarc recount --format json\" printed for this ledger, or an earlier state of it: what sinks were found to hold."`
	Key     string `required:"" placeholder:"VKEY" help:"Verifier key of the ledger, NAME+HASH+BASE64, as \"demarc ledger init\" printed it."`
	Since   string `placeholder:"CHECKPOINT" help:"File with an earlier checkpoint of the ledger, with which it must begin."`
	Format  string `enum:",text,json,html" default:"" placeholder:"text|json|html" help:"Default: text; json with --sign."`
	Sign    string `placeholder:"KEYFILE" help:"File with a signer key (PRIVATE+KEY+...): the JSON document is printed as a note signed with it."`
	Output  string `short:"o" placeholder:"FILE" help:"Write there instead of to standard output."`
}

func (claimCmd) Help() string {
	return `Verifies the ledger as "demarc verify" does, judges the claim on it and prints the sentence as far as it holds, with its numbers, what was found against it and what it does not cover. Exits 0 if the claim holds and 1 if not, or if the ledger does not verify. The same ledger, recount and claim file give the same bytes.

Without --recount every number is as the ledger states. With it the claim says what was recounted, and holds only if no difference was found in the population or in the sinks of the claim; records without a receipt are cleared if they are copies of the ledger's own, which takes a recount with --source. A sample, or a recount that does not reach as far as the population, leaves the numbers stated, and says so. "verb: stored" takes a recount, and means that the records were there, byte for byte, when the sinks were recounted. A recount of another ledger, or a damaged one, is refused with exit code 2.

Example:

    demarc claim /var/lib/demarc/ledger us.yaml --key "$VKEY"
    demarc claim https://audit.example.com/ledger us.yaml --key "$VKEY" --format html -o us.html
    demarc claim /var/lib/demarc/ledger us.yaml --key "$VKEY" --recount recount.json
    demarc claim /var/lib/demarc/ledger us.yaml --key "$VKEY" --sign auditor.key -o us.claim`
}

// What is far beyond any claim file, and any recount: one has some 700 bytes for each sink partition.
const (
	maxClaim   = 1 << 20
	maxRecount = 256 << 20
)

func (cmd claimCmd) Run(s *streams) error {
	if cmd.Sign != "" && cmd.Format != "" && cmd.Format != "json" {
		return usageError(fmt.Errorf("sign claim: what is signed is the JSON document: leave --format %s out", cmd.Format))
	}
	spec, err := cmd.spec(s)
	if err != nil {
		return err
	}
	signer, err := cmd.signer()
	if err != nil {
		return err
	}
	recount, err := cmd.recount(spec)
	if err != nil {
		return err
	}
	judge := claim.New(spec, recount)
	v, err := walkLedger(s, cmd.Ledger, cmd.Key, cmd.Since, func(index uint64, e *ledger.Entry) error {
		judge.Add(index, e)
		return nil
	})
	if err != nil {
		return err
	}
	if err := cmd.isPrefix(v, recount); err != nil {
		return err
	}
	at := v.result.Checkpoint
	l := claim.Ledger{Origin: at.Origin, Size: at.Size, Root: at.Root.String(), Key: strings.TrimSpace(cmd.Key)}
	if v.since != nil {
		l.Since = &claim.Since{Size: v.since.Size, Root: v.since.Root.String()}
	}
	c, err := judge.Claim(l)
	if err != nil {
		return cmd.refuse(err)
	}
	text, err := cmd.print(c, signer)
	if err != nil {
		return err
	}
	if cmd.Output != "" {
		err = os.WriteFile(cmd.Output, text, 0o644)
	} else {
		_, err = s.out.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write claim: %w", err)
	}
	if !c.Holds {
		return answerNo()
	}
	return nil
}

// spec reads the claim file. Its faults go to standard error, all at once.
func (cmd claimCmd) spec(s *streams) (*claim.Spec, error) {
	text, err := readFile(cmd.Claim, maxClaim)
	if err != nil {
		return nil, fmt.Errorf("read claim: %w", err)
	}
	spec, faults := claim.Parse(cmd.Claim, text)
	if spec != nil {
		return spec, nil
	}
	for _, f := range faults {
		fmt.Fprintln(s.err, f.Error())
	}
	return nil, usageError(fmt.Errorf("read claim %s: it has faults, see above", cmd.Claim))
}

// recount reads the recount, nil if none is given.
func (cmd claimCmd) recount(spec *claim.Spec) (*claim.Recount, error) {
	if cmd.Recount == "" {
		if spec.Verb == claim.Stored {
			return nil, usageError(fmt.Errorf("judge claim %s: verb stored takes a recount: run `demarc recount --format json` and give its output with --recount, or write routed", cmd.Claim))
		}
		return nil, nil
	}
	text, err := readFile(cmd.Recount, maxRecount)
	if err != nil {
		return nil, fmt.Errorf("read recount: %w", err)
	}
	recount, err := claim.ParseRecount(text)
	if err != nil {
		return nil, usageError(fmt.Errorf("read recount %s: %w", cmd.Recount, err))
	}
	return recount, nil
}

// isPrefix proves that the recount is of the ledger that was verified, or of an earlier state of it.
func (cmd claimCmd) isPrefix(v *walked, recount *claim.Recount) error {
	if recount == nil {
		return nil
	}
	size, root := recount.Tree()
	at := v.result.Checkpoint
	var proof []tiles.Hash
	if size > 0 && size <= at.Size {
		var err error
		if proof, err = v.log.Prover(at.Size).Consistency(context.Background(), size); err != nil {
			return couldNotRead(cmd.Ledger, err)
		}
	}
	if err := tiles.CheckConsistency(proof, size, at.Size, root, at.Root); err != nil {
		return cmd.refuse(fmt.Errorf("it is of a ledger of %d entries with the root %s, with which this one of %d does not begin: %w", size, tiles.Hash(root), at.Size, err))
	}
	return nil
}

// refuse says that a recount is not one of the ledger.
func (cmd claimCmd) refuse(cause error) error {
	return usageError(fmt.Errorf("use recount %s: %w; recount this ledger", cmd.Recount, cause))
}

// signer reads the key that the claim is signed with, nil if it is not to be. It is read before the ledger is: a
// wrong file shows at once.
func (cmd claimCmd) signer() (note.Signer, error) {
	if cmd.Sign == "" {
		return nil, nil
	}
	text, err := readFile(cmd.Sign, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("read signer key: %w", err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, usageError(fmt.Errorf("read signer key %s: want one line PRIVATE+KEY+NAME+HASH+BASE64", cmd.Sign)) // the cause may hold the key
	}
	return signer, nil
}

func (cmd claimCmd) print(c *claim.Claim, signer note.Signer) ([]byte, error) {
	switch {
	case signer != nil:
		text, err := c.JSON()
		if err != nil {
			return nil, err
		}
		signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
		if err != nil {
			return nil, fmt.Errorf("sign claim: %w", err)
		}
		return signed, nil
	case cmd.Format == "json":
		return c.JSON()
	case cmd.Format == "html":
		return c.HTML()
	default:
		return c.Text(), nil
	}
}

// walked is a ledger that verified.
type walked struct {
	log    *tiles.Log
	result *verify.Result
	since  *tiles.Checkpoint // nil if none was asked for
}

// walkLedger verifies a ledger and visits its entries, for the commands whose answer rests on a good one. The faults
// of a bad one go to standard error, and the answer is no.
func walkLedger(s *streams, location, vkey, since string, visit verify.Visit) (*walked, error) {
	log, key, err := openLedger(location, vkey)
	if err != nil {
		return nil, err
	}
	w := &walked{log: log}
	if since != "" {
		w.since, err = openCheckpoint(since, key)
		if errors.Is(err, tiles.ErrNotSigned) {
			_, err = fmt.Fprintf(s.err, "%v: it is of another log, or the log's key was replaced\n", err)
			return nil, errors.Join(answerNo(), err)
		}
		if err != nil {
			return nil, err
		}
	}
	t := newTerminal(s.err)
	w.result, err = verify.Walk(context.Background(), log, key, verify.Options{Since: w.since, Progress: walkProgress(t)}, visit)
	t.show("")
	if err != nil {
		return nil, couldNotRead(location, err)
	}
	if w.result.FaultCount > 0 {
		return nil, errors.Join(answerNo(), writeFaults(s.err, w.result))
	}
	return w, nil
}
