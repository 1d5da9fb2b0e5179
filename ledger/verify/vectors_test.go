package verify_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
)

// The log of the test vectors was made by a script that knows FORMAT.md and none of this code.
func TestTheLogOfTheVectorsVerifies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Accepted []struct{ Name string }
		Log      struct {
			Key          string `json:"verifier_key"`
			Checkpoint   string
			Bundle, Tile []byte
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	dir, log, size := t.TempDir(), vectors.Log, len(vectors.Accepted)
	put(t, filepath.Join(dir, "checkpoint"), []byte(log.Checkpoint))
	put(t, filepath.Join(dir, tiles.EntriesPath(0, size)), log.Bundle)
	put(t, filepath.Join(dir, tiles.TilePath(0, 0, size)), log.Tile)
	r := walk(t, dir, key{public: log.Key}, verify.Options{})
	if r.FaultCount != 0 || r.Entries != uint64(size) {
		t.Errorf("%d entries, %v", r.Entries, r.Faults)
	}
}
