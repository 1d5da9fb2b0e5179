//go:build unix

package classifier

import (
	"testing"

	"github.com/demarc/demarc/internal/fence"
)

// TestScanOutlinedStaysInside: before the document and behind it is memory that may not be read.
func TestScanOutlinedStaysInside(t *testing.T) {
	d := newDocument(pointers("/a", "/l/0"))
	for _, whole := range outlinedDocuments() {
		for n := range len(whole) {
			for _, end := range []string{"", "}", "]"} {
				doc := whole[:n] + end
				want := scanned(d, doc)
				fence.Around(t, []byte(doc), func(b []byte) {
					var s docScratch
					d.scan([]byte(outlinedShape), &s)
					if got := outcome(d.scan(b, &s), s.values); got != want {
						t.Errorf("%s = %s, want %s", doc, got, want)
					}
				})
			}
		}
	}
}
