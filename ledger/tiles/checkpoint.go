package tiles

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is a log's Ed25519 key, with which its checkpoints are checked. Its name is the log's origin.
type Key struct{ verifier note.Verifier }

// ParseKey reads a verifier key of https://c2sp.org/signed-note: NAME+HASH+BASE64.
func ParseKey(vkey string) (Key, error) {
	vkey = strings.TrimSpace(vkey)
	v, err := note.NewVerifier(vkey)
	switch {
	case err == nil:
		return Key{v}, nil
	case strings.HasPrefix(vkey, "PRIVATE+KEY+"):
		return Key{}, errors.New("parse verifier key: this is the key that signs, which nobody else may see; want the verifier key that belongs to it")
	case strings.Count(vkey, "+") < 2:
		return Key{}, errors.New("parse verifier key: want the key itself, NAME+HASH+BASE64, not the name of a file")
	default:
		return Key{}, fmt.Errorf("parse verifier key: %w: a character of it is missing or wrong; want NAME+HASH+BASE64 of an Ed25519 key", err)
	}
}

// Name is the key's name, the origin of its log.
func (k Key) Name() string { return k.verifier.Name() }

// Checkpoint is a statement that the log's key signed: the tree of Size entries has the hash Root.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
	text   string           // the signed lines
	others []note.Signature // of keys other than the log's
}

// ErrNotSigned says that a checkpoint is well-formed, but not signed with the log's key.
var ErrNotSigned = errors.New("is not signed with this key")

// OpenCheckpoint reads a checkpoint and checks the log's signature on it.
func OpenCheckpoint(data []byte, key Key) (*Checkpoint, error) {
	if len(data) > maxCheckpoint {
		return nil, ErrTooLarge
	}
	n, err := note.Open(data, note.VerifierList(key.verifier))
	if err != nil {
		return nil, noteError(err, key)
	}
	// Other encodings of the same signature are refused, so that not one bit of a checkpoint can change.
	for _, s := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return nil, fmt.Errorf("signature of %s: %w", s.Name, err)
		}
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	if c.Origin != key.Name() {
		return nil, fmt.Errorf("is of the log %q, but the key is that of %q", c.Origin, key.Name())
	}
	c.others = n.UnverifiedSigs
	return c, nil
}

func noteError(err error, key Key) error {
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		var names []string
		for _, s := range unverified.Note.UnverifiedSigs {
			names = append(names, fmt.Sprintf("%q+%08x", s.Name, s.Hash))
		}
		return fmt.Errorf("%w, %s+%08x, but with %s", ErrNotSigned, key.Name(), key.verifier.KeyHash(), strings.Join(names, ", "))
	case errors.As(err, &invalid):
		return fmt.Errorf("%w: the signature of %s does not fit the text", ErrNotSigned, key.Name())
	default:
		return fmt.Errorf("is no signed checkpoint: %w", err)
	}
}

// parseCheckpoint reads the signed lines of a checkpoint: origin, size, root, and lines that mean nothing here.
func parseCheckpoint(text string) (*Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return nil, fmt.Errorf("has %d lines of text, want origin, size and root", len(lines))
	}
	for i, line := range lines {
		if line == "" {
			return nil, fmt.Errorf("has an empty line %d", i+1)
		}
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return nil, fmt.Errorf("has the size %q, want a decimal number", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != HashSize {
		return nil, fmt.Errorf("has the root %q, want base64 of %d bytes", lines[2], HashSize)
	}
	return &Checkpoint{Origin: lines[0], Size: size, Root: Hash(root), text: text}, nil
}
