//go:build unix

package classifier

import (
	"fmt"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/fence"
)

// TestScanOutlinedStaysInside: before the document and behind it is memory that may not be read.
func TestScanOutlinedStaysInside(t *testing.T) {
	d := newDocument(pointers("/a", "/l/0"))
	for _, whole := range outlinedDocuments() {
		for n := range len(whole) {
			for _, end := range []string{"", "}", "]"} {
				checkFenced(t, d, outlinedShape, whole[:n]+end)
			}
		}
	}
}

// TestScanOutlinedTexts has texts of every length up to what is compared at once, and values of every length behind
// them, at the end of the document and before it.
func TestScanOutlinedTexts(t *testing.T) {
	d := newDocument(pointers("/a", "/l/0"))
	for n := range 70 {
		name := strings.Repeat("k", n)
		shape := `{"text":"` + strings.Repeat("t", 60) + `","` + name + `":%s`
		for _, end := range []string{`}`, `,"e":1}`, `,"e":"` + strings.Repeat("e", 40) + `"}`} {
			known := fmt.Sprintf(shape, "1") + end
			for _, value := range []string{"1", "-1", "12.5", "-0.25", "1.", "-", "01", "true", "false", "null", `"1"`, "1e5"} {
				checkFenced(t, d, known, fmt.Sprintf(shape, value)+end)
			}
			for digits := range 20 {
				for _, before := range []string{"", "-", "7."} {
					checkFenced(t, d, known, fmt.Sprintf(shape, before+strings.Repeat("7", digits))+end)
				}
			}
			for i := strings.Index(known, `","`); i < len(known); i++ {
				checkFenced(t, d, known, known[:i]+"x"+known[i+1:])
			}
			for i := range n { // a pointer that names what is nearly known
				named := name[:i] + "x" + name[i+1:]
				checkFenced(t, newDocument(pointers("/"+named)), known, strings.Replace(known, `"`+name, `"`+named, 1))
			}
		}
	}
}

// checkFenced compares scan after a document of a known shape with scan after none.
func checkFenced(t *testing.T, d *document, known, doc string) {
	t.Helper()
	want := scanned(d, doc)
	fence.Around(t, []byte(doc), func(b []byte) {
		var s docScratch
		d.scan([]byte(known), &s)
		if got := outcome(d.scan(b, &s), s.values); got != want {
			t.Errorf("%s = %s, want %s", doc, got, want)
		}
	})
}
