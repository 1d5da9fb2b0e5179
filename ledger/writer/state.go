package writer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/demarc/demarc/ledger"
)

// saveEvery is after how many entries the state is saved: about a second of reading.
const saveEvery = 1 << 16

// savedState is a writer's memory of a log of some size, kept beside the folder so that Open need not read all of it.
// What it says of entries is believed only if the log's own tiles give its root; that the log once had this size, and
// this root at it, always: the state is saved after the tree, so it tells an old copy of the folder, or another
// history, from what this writer wrote. Its first line is the SHA-256 of the rest.
type savedState struct {
	Log      string        `json:"log"` // verifier key
	Size     uint64        `json:"size"`
	Root     []byte        `json:"root"`
	Streams  []savedStream `json:"streams"`
	Policies []savedPolicy `json:"policies"`
	Pins     []savedPins   `json:"pins"`
	Via      []ledger.Via  `json:"via"`
}

type savedStream struct {
	Stream ledger.Stream `json:"stream"`
	From   int64         `json:"from"`
	To     int64         `json:"to"`
}

type savedPolicy struct {
	Policy ledger.PolicyRef `json:"policy"`
	Parts  int32            `json:"parts"`
	Seen   int32            `json:"seen"`
	Texts  []string         `json:"texts,omitempty"`
}

type savedPins struct {
	Sink   string           `json:"sink"`
	Policy ledger.PolicyRef `json:"policy"`
}

// saveState keeps what is known of the log as it lies on disk.
func (l *Log) saveState(a *Admission) error {
	tree, err := l.readTreeState()
	if err != nil {
		return err
	}
	if tree.Size != l.Size() {
		return fmt.Errorf("save state: the tree has size %d, want %d", tree.Size, l.Size())
	}
	s := savedState{Log: l.signer.vkey, Size: tree.Size, Root: tree.Root}
	for stream, x := range a.streams {
		s.Streams = append(s.Streams, savedStream{stream, x.from, x.to})
	}
	for ref, t := range a.policies {
		s.Policies = append(s.Policies, savedPolicy{ref, t.parts, t.seen, t.texts})
	}
	for p := range a.pinned {
		s.Pins = append(s.Pins, savedPins{p.sink, p.policy})
	}
	for partition, offset := range a.via {
		s.Via = append(s.Via, ledger.Via{Offset: offset, Partition: partition})
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := replaceFile(l.stateFile, append(digestLine(body), body...)); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	l.commits.saved = tree.Size
	return nil
}

func digestLine(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(hex.AppendEncode(nil, sum[:]), '\n')
}

// replaceFile puts a file in place whole. It does not sync: what a crash makes of it is found out when it is read.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// loadState reads the saved state; false if there is none of this log. Why does not matter: the log has it all.
func (l *Log) loadState() (savedState, bool) {
	var s savedState
	text, err := os.ReadFile(l.stateFile)
	if err != nil {
		return s, false
	}
	line, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok || string(line)+"\n" != string(digestLine(body)) || json.Unmarshal(body, &s) != nil {
		return s, false
	}
	return s, s.Log == l.signer.vkey // it may be left of a log that was here before
}

func (s savedState) admission() *Admission {
	a := NewAdmission()
	for _, x := range s.Streams {
		a.streams[x.Stream] = extent{x.From, x.To}
	}
	for _, p := range s.Policies {
		a.policies[p.Policy] = &policyText{parts: p.Parts, texts: p.Texts, seen: p.Seen}
		a.versions[p.Policy.Version] = p.Policy.SHA256
	}
	for _, p := range s.Pins {
		a.pinned[sinkPolicy{p.Sink, p.Policy}] = struct{}{}
	}
	for _, v := range s.Via {
		a.via[v.Partition] = v.Offset
	}
	return a
}
