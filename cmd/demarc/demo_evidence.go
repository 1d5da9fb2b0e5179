package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/claim"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
	"github.com/demarc/demarc/ledger/writer"
)

//go:embed demo_claim.yaml
var demoClaim string

// makeLedger makes the demo's ledger and opens it for the router.
func (d *demo) makeLedger(ctx context.Context) (err error) {
	if d.vkey, err = writer.Init(d.ledgerDir(), "example.com/demo"); err != nil {
		return err
	}
	d.ledger, err = writer.Open(ctx, d.ledgerDir(), "", writer.Options{})
	return err
}

func (d *demo) ledgerDir() string { return filepath.Join(d.dir, "ledger") }
func (d *demo) claimFile() string { return filepath.Join(d.dir, "claim.yaml") }

// claim closes the ledger and judges a claim on it as an auditor does, with the folder and its key alone.
func (d *demo) claim(context.Context) error {
	err := closeFolder(d.ledger)
	d.ledger = nil
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.claimFile(), []byte(demoClaim), 0o640); err != nil {
		return fmt.Errorf("write the demo's claim: %w", err)
	}
	spec, faults := claim.Parse(d.claimFile(), []byte(demoClaim))
	if spec == nil {
		return fmt.Errorf("read the demo's claim: %v", faults)
	}
	judge := claim.New(spec, nil)
	seen, err := walkLedger(&streams{out: d.out, err: d.screen}, d.ledgerDir(), d.vkey, "", func(index uint64, e *ledger.Entry) error {
		judge.Add(index, e)
		return nil
	})
	if err != nil {
		return err
	}
	at := seen.result.Checkpoint
	d.ledgerSize = at.Size
	c, err := judge.Claim(claim.Ledger{Origin: at.Origin, Size: at.Size, Root: at.Root.String(), Key: d.vkey})
	if err != nil {
		return err
	}
	if !c.Complete.Holds || !c.Exclusive.Holds {
		return &exit{code: exitNo, cause: fmt.Errorf("the claim on what was just routed is wrong: %s", c.Sentence)}
	}
	_, err = fmt.Fprintf(d.out, "\n  claimed: on a ledger of %s entries, which verifies with its key alone:\n%s",
		share.Thousands(at.Size), indent(c.Sentence))
	return err
}

// tamper shows what becomes of a ledger in which one byte is changed.
func (d *demo) tamper(ctx context.Context) error {
	dir := filepath.Join(d.dir, "ledger-tampered")
	if err := os.CopyFS(dir, os.DirFS(d.ledgerDir())); err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	was, is, err := flip(dir, d.ledgerSize)
	if err != nil {
		return fmt.Errorf("change the copy of the ledger: %w", err)
	}
	key, err := tiles.ParseKey(d.vkey)
	if err != nil {
		return err
	}
	result, err := verify.Walk(ctx, tiles.New(tiles.Folder(dir)), key, verify.Options{}, nil)
	if err != nil {
		return couldNotRead(dir, err)
	}
	if result.FaultCount == 0 {
		return &exit{code: exitNo, cause: errors.New("a changed ledger verifies")}
	}
	_, err = fmt.Fprintf(d.out, "\n  tampered: one byte of a copy of it was changed, so that %s records became %s; demarc verify says:\n%s", was, is, indent(result.Faults[0].String()))
	return err
}

// flip changes a digit of the first count of delivered records in the last bundle of a log of so many entries, and
// returns the count as it was and as it is now.
func flip(dir string, size uint64) (was, is string, err error) {
	last := (size - 1) / tiles.Width
	path := filepath.Join(dir, filepath.FromSlash(tiles.EntriesPath(last, int(size-last*tiles.Width))))
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	const field = `"reason":"decided","records":`
	at := bytes.Index(text, []byte(field))
	if at < 0 {
		return "", "", errors.New("its last entries hold no count")
	}
	at += len(field)
	end := at + bytes.IndexByte(text[at:], ',')
	was = string(text[at:end])
	text[at] = '1' + (text[at]-'0')%9
	return was, string(text[at:end]), os.WriteFile(path, text, 0o640)
}

// indent breaks a text into lines of the demo's output.
func indent(text string) string {
	const width, margin = 100, "           "
	var out strings.Builder
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			out.WriteString(margin + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	out.WriteString(margin + line + "\n")
	return out.String()
}
