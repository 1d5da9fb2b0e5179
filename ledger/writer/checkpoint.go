package writer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is a published checkpoint.
type Checkpoint struct {
	Size uint64
	Root [32]byte
	Time time.Time // when it was published
}

// Checkpoint reads the checkpoint that readers of the log see.
func (l *Log) Checkpoint() (Checkpoint, error) {
	path := filepath.Join(l.dir, "checkpoint")
	info, err := os.Stat(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	verifier, err := note.NewVerifier(l.signer.vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w: is the key that of this log?", err)
	}
	if origin, _, _ := strings.Cut(n.Text, "\n"); origin != l.signer.Name() {
		return Checkpoint{}, fmt.Errorf("read checkpoint: its origin is %q, the key's is %q", origin, l.signer.Name())
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	cp.Time = info.ModTime()
	return cp, nil
}

// parseCheckpoint reads the text that is signed: origin, size and root, a line each (tlog-checkpoint).
func parseCheckpoint(text string) (Checkpoint, error) {
	var cp Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return cp, fmt.Errorf("the checkpoint has %d lines, want origin, size and root", len(lines)-1)
	}
	var err error
	if cp.Size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return cp, fmt.Errorf("size of the checkpoint: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(cp.Root) {
		return cp, fmt.Errorf("root of the checkpoint: %q is no digest", lines[2])
	}
	copy(cp.Root[:], root)
	return cp, nil
}

// treeState is what Tessera v1 calls the integrated tree: all that is durable, whether a checkpoint covers it or not.
type treeState struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
}

func (l *Log) readTreeState() (treeState, error) {
	var t treeState
	text, err := os.ReadFile(filepath.Join(l.dir, ".state", "treeState"))
	if err != nil {
		return t, fmt.Errorf("read tree state: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("read tree state: %w", err)
	}
	return t, nil
}
