package ledger_test

import (
	"encoding/json"
	"testing"

	"github.com/demarc/demarc/ledger"
)

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"us-oci 100 % \"ü 漢\"\n":    "us-oci 100 % \"ü 漢\"\n",
		"eu\u202eico-su":            `eu\u202eico-su`,
		"us\u200b-oci\u2028\u00a0x": `us\u200b-oci\u2028\u00a0x`,
		"\x1b[2K\r\u009b":           `\u001b[2K\u000d\u009b`,
		"\U000e0041\xff":            `\udb40\udc41\ufffd`,
	} {
		if got := ledger.Visible(text); got != want {
			t.Errorf("%q = %q, want %q", text, got, want)
		}
		document, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var back, same string
		if json.Unmarshal([]byte(ledger.Visible(string(document))), &back) != nil || json.Unmarshal(document, &same) != nil || back != same {
			t.Errorf("%s is another document", ledger.Visible(string(document)))
		}
	}
}

func TestSinkText(t *testing.T) {
	for name, want := range map[string]string{
		"us-oci": "us-oci", "üs.1_2": "üs.1_2", "us (US), all of them": `"us (US), all of them"`, "=1+1": `"=1+1"`, "us\u200b": `"us\u200b"`,
	} {
		if got := ledger.SinkText(name); got != want {
			t.Errorf("%q = %s, want %s", name, got, want)
		}
	}
}
