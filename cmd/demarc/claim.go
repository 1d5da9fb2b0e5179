package main

import (
	"context"
	"encoding/base64"
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
	Ledger string `arg:"" help:"Folder of the ledger, or a copy of it, or the http or https URL where its files are."`
	Claim  string `arg:"" help:"Claim file; ledger/CLAIMS.md describes it."`
	Key    string `required:"" placeholder:"VKEY" help:"Verifier key of the ledger, NAME+HASH+BASE64, as \"demarc ledger init\" printed it."`
	Since  string `placeholder:"CHECKPOINT" help:"File with an earlier checkpoint of the ledger, with which it must begin."`
	Format string `enum:",text,json,html" default:"" placeholder:"text|json|html" help:"Default: text; json with --sign."`
	Sign   string `placeholder:"KEYFILE" help:"File with a signer key (PRIVATE+KEY+...): the JSON document is printed as a note signed with it."`
	Output string `short:"o" placeholder:"FILE" help:"Write there instead of to standard output."`
}

func (claimCmd) Help() string {
	return `Verifies the ledger as "demarc verify" does, judges the claim on it and prints the sentence as far as it holds, with its numbers, what was found against it and what it does not cover. Exits 0 if the claim holds and 1 if not, or if the ledger does not verify. The same ledger and claim file give the same bytes.

Example:

    demarc claim /var/lib/demarc/ledger us.yaml --key "$VKEY"
    demarc claim https://audit.example.com/ledger us.yaml --key "$VKEY" --format html -o us.html
    demarc claim /var/lib/demarc/ledger us.yaml --key "$VKEY" --sign auditor.key -o us.claim`
}

// maxClaim is far beyond any claim file.
const maxClaim = 1 << 20

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
	judge := claim.New(spec)
	v, err := walkLedger(s, cmd.Ledger, cmd.Key, cmd.Since, func(index uint64, e *ledger.Entry) error {
		judge.Add(index, e)
		return nil
	})
	if err != nil {
		return err
	}
	at := v.result.Checkpoint
	l := claim.Ledger{Origin: at.Origin, Size: at.Size, Root: rootText(at.Root), Key: strings.TrimSpace(cmd.Key)}
	if v.since != nil {
		l.Since = &claim.Since{Size: v.since.Size, Root: rootText(v.since.Root)}
	}
	c := judge.Claim(l)
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

// rootText is a root as checkpoints write it.
func rootText(root tiles.Hash) string { return base64.StdEncoding.EncodeToString(root[:]) }

// walked is a ledger that verified.
type walked struct {
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
	w := &walked{}
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
