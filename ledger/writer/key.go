package writer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// keySuffix makes the name of a log's key, and stateSuffix that of what a writer remembers of it, out of the
// folder's. They stand beside the folder, never in it: the folder is served and copied.
const (
	keySuffix   = ".key"
	stateSuffix = ".state"
)

// KeyFile is where Init puts the signer key of the log in dir.
func KeyFile(dir string) string { return filepath.Clean(dir) + keySuffix }

// Init makes an empty log in dir, with a signed checkpoint, and a new Ed25519 key for its signer in KeyFile(dir),
// readable by the owner only. The origin is the log's name, in its checkpoints and in the verifier key that Init
// returns; it holds neither blanks nor "+", and belongs to this log alone. Init overwrites nothing: dir may exist
// only if it is empty.
func Init(dir, origin string) (vkey string, err error) {
	if err := absentOrEmpty(dir); err != nil {
		return "", fmt.Errorf("init ledger: %w", err)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return "", fmt.Errorf("init ledger: make key: %w", err)
	}
	signer, err := note.NewSigner(skey) // looks at the name, too
	if err != nil {
		return "", fmt.Errorf("init ledger: origin %q: want a name without blanks and without +: %w", origin, err)
	}
	// The key first: a log without its key is of no use, a key without its log can be removed.
	if err := writeKey(KeyFile(dir), skey); err != nil {
		return "", fmt.Errorf("init ledger: %w", err)
	}
	// From here on a crash leaves a key that signed nothing, or an empty log: the next Init says what to remove.
	if err := makeLog(dir, signer); err != nil {
		return "", fmt.Errorf("init ledger: %w (remove %s before the next try)", err, KeyFile(dir))
	}
	return vkey, nil
}

func absentOrEmpty(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%s holds files already: choose a new folder", dir)
	}
	return nil
}

func writeKey(path, skey string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists: it may be the key of a log, move it away if it is not", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: make the folder %s first", err, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(skey + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// makeLog lets Tessera lay the folder out, which signs the checkpoint of the empty tree.
func makeLog(dir string, signer note.Signer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	_, _, _, err = tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer))
	return err
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// signer asks before it signs a checkpoint.
type signer struct {
	note.Signer
	vkey   string
	before func(size uint64, root [32]byte) error

	mu    sync.Mutex
	err   error  // of the last signature; nil if it was given
	least uint64 // a log only grows: no smaller tree is signed
}

// readSigner reads a key that Init wrote.
func readSigner(path string) (*signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read signer key: %w", err)
	}
	skey := strings.TrimSpace(string(text))
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, fmt.Errorf("read signer key %s: %w: want one line PRIVATE+KEY+NAME+HASH+BASE64", path, err)
	}
	// PRIVATE+KEY+NAME+HASH+BASE64, where the bytes are the algorithm's number, 1, and an Ed25519 seed.
	parts := strings.SplitN(skey, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("read signer key %s: it is no Ed25519 key", path)
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return nil, fmt.Errorf("read signer key %s: %w", path, err)
	}
	return &signer{Signer: s, vkey: vkey}, nil
}

// Sign signs the text of a checkpoint: origin, size and root, a line each.
func (s *signer) Sign(text []byte) (signature []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.err = err }()
	cp, err := parseCheckpoint(string(text))
	if err != nil {
		return nil, err
	}
	if cp.Size < s.least {
		return nil, fmt.Errorf("sign checkpoint of size %d: the log had %d entries before", cp.Size, s.least)
	}
	if s.before != nil {
		if err := s.before(cp.Size, cp.Root); err != nil {
			return nil, fmt.Errorf("sign checkpoint of size %d: %w", cp.Size, err)
		}
	}
	s.least = cp.Size
	return s.Signer.Sign(text)
}

// grown tells that the log has that many entries.
func (s *signer) grown(size uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.least = max(s.least, size)
}

func (s *signer) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
