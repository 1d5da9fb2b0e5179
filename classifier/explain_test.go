package classifier

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

func TestExplainIsOneLineOfJSON(t *testing.T) {
	e := New(loadFile(t, "testdata/cases/documents/policy.yml")).Evaluator()
	for _, c := range []struct{ name, value, want string }{
		{
			"delivered", `{"user":{"region":"de"}}`,
			`{"jurisdictions":["EEA"],"reason":"decided","signal":"region","sink":"eu-fra","quarantined":false,"signals":[` +
				`{"name":"account","state":"absent"},{"name":"region","state":"present","countries":["DE"]}]}`,
		},
		{
			"no jurisdiction is an empty list", `[]x`,
			`{"jurisdictions":[],"reason":"ambiguous","signal":"region","sink":"us-quarantine","quarantined":true,"signals":[` +
				`{"name":"account","state":"absent"},{"name":"region","state":"bad","reason":"ambiguous"}]}`,
		},
	} {
		line, err := json.Marshal(e.Explain("events", &record.Record{Value: []byte(c.value)}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(line)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestExplainTellsWhatWasNotConsulted(t *testing.T) {
	e := New(loadFile(t, "testdata/cases/documents/policy.yml")).Evaluator()
	x := e.Explain("", &record.Record{
		Headers: []record.Header{{Key: []byte("account-country"), Value: []byte("US")}},
		Value:   []byte("opaque"),
	})
	if got := x.Signals[1]; got.State != "not consulted" {
		t.Errorf("region = %+v, want not consulted", got)
	}
}

// An explanation goes to logs and tickets: no word of the record may be in it.
func TestExplainHoldsNoPayload(t *testing.T) {
	e := New(loadFile(t, "testdata/cases/addresses/policy.yml")).Evaluator()
	e.Use(Snapshot{Geo: testGeo(t)})
	for _, text := range []string{"8.8.8.8", "10.99.98.97", "secret", "US-secret"} {
		for _, name := range []string{"account-country", "client-ip", "peer-ip", "x-forwarded-for"} {
			line, err := json.Marshal(e.Explain("", &record.Record{
				Key:     []byte(text),
				Headers: []record.Header{{Key: []byte(name), Value: []byte(text)}},
			}))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(line), text) {
				t.Errorf("header %s: %s shows %q", name, line, text)
			}
		}
	}
}
