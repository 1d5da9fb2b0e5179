package claim

import (
	"bytes"
	"encoding/xml"
	"html"
	"io"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
)

// TestPage holds every page to what it promises: well-formed, no script, nothing from elsewhere, and the same words.
func TestPage(t *testing.T) {
	for _, tc := range claimCases {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.book().judge(t, tc.claim)
			page, err := c.HTML()
			if err != nil {
				t.Fatal(err)
			}
			text := html.UnescapeString(string(page))
			for _, foreign := range []string{"http:", "https:", "//", "url(h", "@import", "<script", "<link", "<img", "<iframe", "javascript:", " on", "src="} {
				if i := strings.Index(tags(string(page)), foreign); i >= 0 {
					t.Errorf("the page holds %q", foreign)
				}
			}
			for _, want := range append([]string{view{c}.Head(), view{c}.Tail(), c.verdict(), c.Ledger.Root}, c.Limits...) {
				if !strings.Contains(text, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			for _, f := range c.Findings {
				if !strings.Contains(text, ledger.Visible(f.Message)) {
					t.Errorf("the page lacks %q", f.Message)
				}
			}
			wellFormed(t, page)
		})
	}
}

// tags is a page without the text between its tags.
func tags(page string) string {
	var b strings.Builder
	for i, piece := range strings.Split(page, "<") {
		tag, _, _ := strings.Cut(piece, ">")
		if i > 0 {
			b.WriteString("<" + tag + ">")
		}
	}
	return b.String()
}

// wellFormed reads a page as XML would be, with the elements of HTML that have no end.
func wellFormed(t *testing.T, page []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Fatalf("</%s> closes %v", token.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
}
