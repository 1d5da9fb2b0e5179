package ledger_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// vectors are made by testdata/vectors.py, which knows FORMAT.md and none of this code.
type vectors struct {
	Accepted []struct{ Name, Text, Leaf string }
	Refused  []struct {
		Name   string
		Base64 []byte
	}
	Log struct {
		VerifierKey string `json:"verifier_key"`
		Checkpoint  string
		Roots       []string
		Bundle      []byte
		Tile        []byte
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Accepted) == 0 || len(v.Refused) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func TestVectorsAccepted(t *testing.T) {
	order := writer.NewAdmission()
	for _, v := range readVectors(t).Accepted {
		e, err := ledger.Decode([]byte(v.Text))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if text, err := writer.Encode(e); err != nil || string(text) != v.Text {
			t.Errorf("%s: encoded again: %s, %v, want %s", v.Name, text, err, v.Text)
		}
		if leaf := tlog.RecordHash([]byte(v.Text)); hex.EncodeToString(leaf[:]) != v.Leaf {
			t.Errorf("%s: leaf hash %x, want %s", v.Name, leaf, v.Leaf)
		}
		if err := order.Follow(e); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

func TestVectorsRefused(t *testing.T) {
	messages := map[string]string{}
	for _, v := range readVectors(t).Refused {
		_, err := ledger.Decode(v.Base64)
		if err == nil {
			t.Errorf("%s: accepted: %s", v.Name, v.Base64)
			continue
		}
		messages[v.Name] = err.Error()
	}
	for name, field := range map[string]string{
		"an unknown key":                   "range: key \"control\" is missing: key \"also\" is in its place",
		"a missing key":                    "range: key \"program\" is missing: key \"receipts\" is in its place",
		"another version":                  "v: is 2",
		"counts that do not add up":        "range.counts",
		"a reason that is none":            "range.counts[0].reason",
		"a set that is none":               "range.counts[0].set",
		"a receipt of another set":         "range.receipts: those of sink \"eu-fra\" and set \"EEA\"",
		"a receipt with two places":        "range.receipts[0].file",
		"receipts that overlap":            "range.receipts[2].sink",
		"a file outside the sink":          "range.receipts[3].file.name",
		"a control character in a name":    "range.program",
		"a pin that is none":               "pins.checks[0].pin",
		"via without its offset":           "via: key \"offset\" is missing",
		"65,536 bytes":                     "at most 65535",
		"a span with lists of two lengths": "span.first",
	} {
		if !strings.Contains(messages[name], field) {
			t.Errorf("%s: %q does not say %q", name, messages[name], field)
		}
	}
}

func TestVectorsLog(t *testing.T) {
	v := readVectors(t)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var got []tlog.Hash
		for _, i := range indexes {
			got = append(got, hashes[i])
		}
		return got, nil
	})
	var bundle, tile []byte
	for n, e := range v.Accepted {
		stored, err := tlog.StoredHashes(int64(n), []byte(e.Text), reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, stored...)
		root, err := tlog.TreeHash(int64(n+1), reader)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(root[:]) != v.Log.Roots[n+1] {
			t.Errorf("root of size %d = %x, want %s", n+1, root, v.Log.Roots[n+1])
		}
		bundle = append(append(bundle, byte(len(e.Text)>>8), byte(len(e.Text))), e.Text...)
		tile = append(tile, stored[0][:]...)
	}
	if !bytes.Equal(bundle, v.Log.Bundle) || !bytes.Equal(tile, v.Log.Tile) {
		t.Error("bundle or tile differ")
	}
	verifier, err := note.NewVerifier(v.Log.VerifierKey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(v.Log.Checkpoint), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(n.Text, "\n")
	root, _ := hex.DecodeString(v.Log.Roots[len(v.Accepted)])
	if lines[0] != "ledger.example/vectors" || lines[2] != base64.StdEncoding.EncodeToString(root) {
		t.Errorf("checkpoint %q", n.Text)
	}
}

// TestFormatsExample: the entry that FORMAT.md shows is one.
func TestFormatsExample(t *testing.T) {
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("FORMAT.md has no example")
	}
	if _, err := ledger.Decode([]byte(strings.ReplaceAll(example, "\n", ""))); err != nil {
		t.Error(err)
	}
}
