package tiles

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// witnessKeyType is the type byte of keys for cosignature/v1, https://c2sp.org/tlog-cosignature.
const witnessKeyType = 4

// Witness is somebody who vouches that a log only ever grew.
type Witness struct {
	Name string
	id   uint32
	key  ed25519.PublicKey
}

// ParseWitnesses reads a file of verifier keys, one on a line; empty lines and those that begin with # are skipped.
// No key may be there twice, under whatever name: k of n are k keys.
func ParseWitnesses(text []byte) ([]Witness, error) {
	var all []Witness
	line := 0
	for raw := range strings.Lines(string(text)) {
		line++
		vkey := strings.TrimSpace(raw)
		if vkey == "" || strings.HasPrefix(vkey, "#") {
			continue
		}
		w, err := parseWitness(vkey)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		for _, other := range all {
			if other.key.Equal(w.key) || other.Name == w.Name {
				return nil, fmt.Errorf("line %d: %s has the name or the key of %s", line, w.Name, other.Name)
			}
		}
		all = append(all, w)
	}
	return all, nil
}

func parseWitness(vkey string) (Witness, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	id, key64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.Strict().DecodeString(key64)
	if err != nil || name == "" || len(key) == 0 {
		return Witness{}, errors.New("want a verifier key NAME+HASH+BASE64")
	}
	if key[0] != witnessKeyType || len(key) != 1+ed25519.PublicKeySize {
		return Witness{}, fmt.Errorf("%s is not a cosignature key: want type %d, Ed25519", name, witnessKeyType)
	}
	sum := sha256.Sum256([]byte(name + "\n" + string(key)))
	if id != fmt.Sprintf("%x", sum[:4]) {
		return Witness{}, fmt.Errorf("%s: the hash %s is not that of its name and key", name, id)
	}
	return Witness{name, binary.BigEndian.Uint32(sum[:4]), ed25519.PublicKey(key[1:])}, nil
}

// Cosignature is a witness's word that at a time it knew of no larger tree of the log than the checkpoint's.
type Cosignature struct {
	Witness string
	At      time.Time
}

// Cosignatures returns the latest of each witness that signed the checkpoint. One of theirs that does not fit the text is
// an error.
func (c *Checkpoint) Cosignatures(witnesses []Witness) ([]Cosignature, error) {
	var found []Cosignature
	for _, w := range witnesses {
		var latest *Cosignature
		for _, s := range c.others {
			if s.Name != w.Name || s.Hash != w.id {
				continue
			}
			at, err := w.check(c.text, s)
			if err != nil {
				return nil, fmt.Errorf("cosignature of %s: %w", w.Name, err)
			}
			if latest == nil || at.After(latest.At) {
				latest = &Cosignature{w.Name, at}
			}
		}
		if latest != nil {
			found = append(found, *latest)
		}
	}
	return found, nil
}

func (w Witness) check(text string, s note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
	if err != nil {
		return time.Time{}, err
	}
	const idSize, timeSize = 4, 8
	if len(raw) != idSize+timeSize+ed25519.SignatureSize {
		return time.Time{}, fmt.Errorf("has %d bytes, want %d", len(raw), idSize+timeSize+ed25519.SignatureSize)
	}
	seconds := binary.BigEndian.Uint64(raw[idSize:])
	if seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("has no sane time: %d", seconds)
	}
	var message bytes.Buffer
	message.WriteString("cosignature/v1\ntime " + strconv.FormatUint(seconds, 10) + "\n" + text)
	if !ed25519.Verify(w.key, message.Bytes(), raw[idSize+timeSize:]) {
		return time.Time{}, errors.New("does not fit the text")
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
