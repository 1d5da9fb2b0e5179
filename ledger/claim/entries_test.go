package claim

import (
	"bytes"
	"testing"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// TestCasesAreEntries writes the entries of every case as a ledger does, and judges what it reads back.
func TestCasesAreEntries(t *testing.T) {
	for _, tc := range claimCases {
		t.Run(tc.name, func(t *testing.T) {
			b := tc.book()
			read := &book{}
			for i, e := range b.entries {
				text, err := writer.Encode(*e)
				if err != nil {
					t.Fatalf("entry %d: %v", i, err)
				}
				back, err := ledger.Decode(text)
				if err != nil {
					t.Fatalf("entry %d: %v", i, err)
				}
				read.add(&back)
			}
			if !bytes.Equal(document(t, read.judge(t, tc.claim)), document(t, b.judge(t, tc.claim))) {
				t.Error("another claim")
			}
		})
	}
}

// FuzzEntries judges claims on whatever decodes, one entry a line: no panic, and nothing about it says all of nothing.
func FuzzEntries(f *testing.F) {
	for _, tc := range claimCases {
		var text []byte
		for _, e := range tc.book().entries {
			if line, err := writer.Encode(*e); err == nil {
				text = append(append(text, line...), '\n')
			}
		}
		f.Add([]byte(tc.claim), text)
	}
	f.Fuzz(func(t *testing.T, claim, text []byte) {
		spec, _ := Parse("c", claim)
		if spec == nil {
			return
		}
		a, n := New(spec, nil), uint64(0)
		for line := range bytes.Lines(text) {
			if e, err := ledger.Decode(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
				a.Add(n, &e)
				n++
			}
		}
		c, err := a.Claim(Ledger{Size: n})
		if err != nil {
			t.Fatal(err)
		}
		checkSums(t, c)
		if c.Holds && c.Total.Inside == 0 {
			t.Errorf("holds: %s", c.Sentence)
		}
		document(t, c)
	})
}
