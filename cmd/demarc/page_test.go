package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/dashboard"
	"github.com/demarc/demarc/internal/devbroker"
)

// TestPageTellsWhatMetricsTell runs the service and holds its page and /status.json to /metrics, and to silence about
// what records hold.
func TestPageTellsWhatMetricsTell(t *testing.T) {
	s := newSite(t, "us-cluster")
	secrets := []string{"key-of-ann", "ann@example.org", "203.0.113.77", "header-of-ann"}
	var records []*kgo.Record
	for i, country := range []string{"US", "US", "DE", "us-CA"} {
		records = append(records, &kgo.Record{
			Topic: "events", Partition: int32(i % 2), Key: []byte(secrets[0]),
			Value:   []byte(`{"user":"` + secrets[1] + `","ip":"` + secrets[2] + `"}`),
			Headers: []kgo.RecordHeader{{Key: "account-country", Value: []byte(country)}, {Key: "trace", Value: []byte(secrets[3])}},
		})
	}
	if err := devbroker.Produce(t.Context(), s.source.Brokers(), records); err != nil {
		t.Fatal(err)
	}
	r := startService(t, s)
	var status dashboard.Status
	r.until(t, "/status.json", func(_ int, body string) bool {
		status = dashboard.Status{}
		if err := json.Unmarshal([]byte(body), &status); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("/status.json holds %s: %s", secret, body)
			}
		}
		return status.Totals.Records == 4 && status.Ready
	})
	line := `demarc_records_total{topic="events",jurisdictions=%q,reason=%q,sink=%q} %d` + "\n"
	var lines []string
	for _, route := range status.Routes {
		lines = append(lines, fmt.Sprintf(line, route.Jurisdictions, route.Reason, route.Sink, route.Records))
	}
	for _, q := range status.Quarantine {
		lines = append(lines, fmt.Sprintf(line, q.Candidates[0].Name, q.Reason, q.Sinks[0].Name, q.Records))
	}
	r.until(t, "/metrics", func(_ int, body string) bool { // fed a moment after the accounts
		return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(body, line) })
	})
	if len(status.Routes) != 2 || status.Routes[0].Records != 2 || status.Routes[0].Percent != "100.0000" || len(status.Quarantine) != 1 || status.Quarantine[0].Reason != "malformed" {
		t.Errorf("status: %+v", status)
	}
	if len(status.Sinks) != 3 || status.Sinks[0].Pins.ClusterID != "us-cluster" || status.Sinks[1].Place == "" || status.Geo != nil || status.Partitions.Assigned != 2 || status.Partitions.Lag != 0 {
		t.Errorf("status: %+v", status)
	}
	r.until(t, "/", func(code int, body string) bool {
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("the page holds %s", secret)
			}
		}
		return code == 200 && strings.Contains(body, "cluster id us-cluster") && strings.Contains(body, "100.0000 %") && strings.Contains(body, "malformed")
	})
	r.signal(t, syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.seen.String())
	}
}
