package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSettingsDefaults(t *testing.T) {
	c, err := configure([]string{"PATH=/bin", "DEMARC_BROKERS=a:9092,b:9092", "DEMARC_TOPICS=events"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Brokers, " "); got != "a:9092 b:9092" {
		t.Errorf("brokers = %q", got)
	}
	if c.Start != "earliest" || c.Listen != "127.0.0.1:8470" || c.Lanes != 32 || c.SessionTimeout != 30*time.Second || c.Memory != 128<<20 {
		t.Errorf("defaults = %+v", c.settings)
	}
}

func TestEverySettingIsDocumentedAndItsBoundsHoldItsDefault(t *testing.T) {
	seen := map[string]bool{}
	walk(reflect.ValueOf(settings{}), func(f reflect.StructField, v reflect.Value) {
		name := f.Tag.Get("env")
		if name == "" || seen[name] {
			t.Errorf("field %s: variable %q is empty or taken", f.Name, name)
		}
		seen[name] = true
		if len(f.Tag.Get("help")) < 8 {
			t.Errorf("DEMARC_%s has no meaning written", name)
		}
		low, high := f.Tag.Get("min"), f.Tag.Get("max")
		if (low == "") != (high == "") || low != "" && bound(f.Type, low) >= bound(f.Type, high) {
			t.Errorf("DEMARC_%s: bounds %q to %q", name, low, high)
		}
		if number := v.CanInt(); number != (low != "") {
			t.Errorf("DEMARC_%s: numbers have bounds, nothing else has", name)
		}
	})
	c, err := configure(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	walk(reflect.ValueOf(c.settings), func(f reflect.StructField, v reflect.Value) {
		if low := f.Tag.Get("min"); low != "" {
			if fault := outside(f, v); fault != "" {
				t.Errorf("default of DEMARC_%s: %s", f.Tag.Get("env"), fault)
			}
		}
	})
}

func TestSettingsFaults(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		sinks   []string
		want    []string // each in the message; as many lines
	}{
		{"typo", []string{"DEMARC_TYPO=1"}, nil, []string{"DEMARC_TYPO: no such setting; did you mean DEMARC_TLS?"}},
		{"near", []string{"DEMARC_BROKER=x:1"}, nil, []string{"did you mean DEMARC_BROKERS?"}},
		{"all at once", []string{"DEMARC_LANES=many", "DEMARC_START=middle", "DEMARC_TLS=yep", "DEMARC_DRAIN_LIMIT=20", "DEMARC_FETCH_BYTES=1MB", "DEMARC_X=1"}, nil,
			[]string{
				"DEMARC_START=middle: want earliest or latest", "DEMARC_TLS=yep: want true or false", "DEMARC_LANES=many: want a whole number",
				"DEMARC_FETCH_BYTES=1MB: want a size such as", "DEMARC_DRAIN_LIMIT=20: want a duration such as", "DEMARC_X: no such setting",
			}},
		{"bounds", []string{"DEMARC_LANES=0", "DEMARC_MEMORY=1KiB", "DEMARC_SESSION_TIMEOUT=1h"}, nil,
			[]string{"DEMARC_LANES=0: want 1 to 1024", "DEMARC_MEMORY=1KiB: want 16MiB to 64GiB", "DEMARC_SESSION_TIMEOUT=1h: want 1s to 30m"}},
		{"drain too long", []string{"DEMARC_DRAIN_LIMIT=30s"}, nil, []string{"DEMARC_DRAIN_LIMIT=30s: want less than DEMARC_SESSION_TIMEOUT=30s"}},
		{"lists", []string{"DEMARC_TOPICS=a,,b,a", "DEMARC_BROKERS=x:1,x:1,kafka,:9092,y:many"}, nil, []string{
			`DEMARC_BROKERS: "x:1" is there twice`, "DEMARC_TOPICS: entry 2 is empty", `DEMARC_TOPICS: "a" is there twice`,
			`DEMARC_BROKERS: "kafka": want HOST:PORT`, `DEMARC_BROKERS: ":9092": want HOST:PORT`, `DEMARC_BROKERS: "y:many": want HOST:PORT`,
		}},
		{"listen", []string{"DEMARC_LISTEN=8470"}, nil, []string{"DEMARC_LISTEN=8470: want HOST:PORT, or :PORT"}},
		{"key without a ledger", []string{"DEMARC_LEDGER_KEY=l.key"}, nil, []string{"DEMARC_LEDGER_KEY: the key of a ledger is given, but no ledger; set DEMARC_LEDGER"}},
		{"tls off", []string{"DEMARC_TLS_CA=ca.pem"}, nil, []string{"set DEMARC_TLS=true"}},
		{"half a pair", []string{"DEMARC_TLS=true", "DEMARC_TLS_CERT=c.pem"}, nil, []string{"DEMARC_TLS_CERT: certificate and key go together"}},
		{"no mechanism", []string{"DEMARC_SASL_USER=u", "DEMARC_SASL_PASSWORD=p"}, nil, []string{"DEMARC_SASL_MECHANISM: a user or password is given but no mechanism"}},
		{"unknown mechanism", []string{"DEMARC_SASL_MECHANISM=gssapi"}, nil, []string{"want plain or scram-sha-256 or scram-sha-512"}},
		{"no user, no password", []string{"DEMARC_SASL_MECHANISM=plain"}, nil, []string{"DEMARC_SASL_USER: plain needs a user", "DEMARC_SASL_PASSWORD_FILE: plain needs a password"}},
		{"two passwords", []string{"DEMARC_SASL_MECHANISM=plain", "DEMARC_SASL_USER=u", "DEMARC_SASL_PASSWORD=p", "DEMARC_SASL_PASSWORD_FILE=f"}, nil, []string{"use the password or the file"}},
		{"unknown sink", []string{"DEMARC_SINK_EU_TLS=true"}, []string{"us-oci"}, []string{"DEMARC_SINK_EU_TLS: no such setting; did you mean DEMARC_SINK_US_OCI_TLS?"}},
		{"sink without a policy at hand", []string{"DEMARC_SINK_EU_TLS_SPEED=9", "DEMARC_SINK__TLS=true"}, nil, []string{"DEMARC_SINK_EU_TLS_SPEED: no such", "DEMARC_SINK__TLS: no such"}},
		{"sinks of one name", nil, []string{"us-oci", "us.oci"}, []string{"sinks us-oci and us.oci: both read their settings from DEMARC_SINK_US_OCI_"}},
		{"invalid in a sink", []string{"DEMARC_SINK_US_OCI_TLS=1x", "DEMARC_SINK_EU_SASL_USER=u"}, []string{"us-oci", "eu"},
			[]string{"DEMARC_SINK_US_OCI_TLS=1x: want true or false", "DEMARC_SINK_EU_SASL_MECHANISM: a user"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := configure(tc.environ, tc.sinks)
			if err == nil || exitCode(err) != exitUsage {
				t.Fatalf("error = %v, code %d; want a usage error", err, exitCode(err))
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tc.want) {
				t.Errorf("%d faults, want %d:\n%v", len(lines), len(tc.want), err)
			}
		})
	}
}

func TestSinkSettings(t *testing.T) {
	c, err := configure([]string{"DEMARC_SINK_US_OCI_TLS=true", "DEMARC_SINK_US_OCI_TLS_SERVER_NAME=kafka.us"}, []string{"us-oci", "eu"})
	if err != nil {
		t.Fatal(err)
	}
	if us := c.Sinks["us-oci"]; !us.TLS || us.TLSServerName != "kafka.us" {
		t.Errorf("us-oci = %+v", us)
	}
	if eu := c.Sinks["eu"]; eu.TLS {
		t.Errorf("eu = %+v", eu)
	}
	if _, err := configure([]string{"DEMARC_SINK_ANY_NAME_TLS_CA=x"}, nil); err != nil {
		t.Errorf("without a policy any sink's setting passes: %v", err)
	}
}

func TestSecretsNeverShow(t *testing.T) {
	c, err := configure([]string{
		"DEMARC_SASL_MECHANISM=plain", "DEMARC_SASL_USER=u", "DEMARC_SASL_PASSWORD=hunter2",
		"DEMARC_SINK_EU_SASL_MECHANISM=plain", "DEMARC_SINK_EU_SASL_USER=u", "DEMARC_SINK_EU_SASL_PASSWORD=hunter2",
		"DEMARC_LEDGER_BROKERS=b:1", "DEMARC_LEDGER_SASL_MECHANISM=plain", "DEMARC_LEDGER_SASL_USER=u", "DEMARC_LEDGER_SASL_PASSWORD=hunter2",
	}, []string{"eu"})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, c); strings.Contains(out, "hunter2") {
			t.Errorf("%s shows the password: %s", verb, out)
		}
	}
	for _, r := range c.Rows {
		if strings.Contains(r.Value, "hunter2") || strings.HasSuffix(r.Name, "_PASSWORD") && r.Value != "***" {
			t.Errorf("%s = %q", r.Name, r.Value)
		}
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password, blank, garbage := write("password", "hunter2\n"), write("blank", "\n"), write("garbage", "no pem")
	for _, mech := range []mechanism{"plain", "scram-sha-256", "scram-sha-512"} {
		c := connection{SASLMechanism: mech, SASLUser: "u", SASLPasswordFile: password}
		got, err := c.open("DEMARC_")
		if err != nil || !strings.EqualFold(got.sasl.Name(), string(mech)) {
			t.Errorf("%s: %v, %v", mech, got.sasl, err)
		}
	}
	for name, tc := range map[string]struct {
		conn connection
		want string
	}{
		"no password file": {connection{SASLMechanism: "plain", SASLUser: "u", SASLPasswordFile: filepath.Join(dir, "none")}, "DEMARC_SASL_PASSWORD_FILE: open "},
		"blank password":   {connection{SASLMechanism: "plain", SASLUser: "u", SASLPasswordFile: blank}, "is empty"},
		"forbidden":        {connection{SASLMechanism: "scram-sha-256", SASLUser: "u", SASLPassword: "hunter2\x07"}, "SCRAM forbids"},
		"no ca":            {connection{TLS: true, TLSCA: filepath.Join(dir, "none")}, "DEMARC_TLS_CA: open "},
		"garbage ca":       {connection{TLS: true, TLSCA: garbage}, "no certificate in PEM form"},
		"garbage cert":     {connection{TLS: true, TLSCert: garbage, TLSKey: garbage}, "DEMARC_TLS_CERT: "},
	} {
		_, err := tc.conn.open("DEMARC_")
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") || exitCode(err) != exitUsage {
			t.Errorf("%s: error = %v, want %q", name, err, tc.want)
		}
	}
	if got, err := (&connection{TLS: true, TLSServerName: "n"}).open("DEMARC_"); err != nil || got.tls.ServerName != "n" || got.tls.MinVersion == 0 {
		t.Errorf("tls = %+v, %v", got.tls, err)
	}
	if got, err := (&connection{}).open("DEMARC_"); err != nil || got.tls != nil || got.sasl != nil {
		t.Errorf("plain connection = %+v, %v", got, err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "4096": 4096, "512KiB": 512 << 10, "64MiB": 64 << 20, "1GiB": 1 << 30} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s = %d, %v", text, s, err)
		}
		var again size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s shows as %s", text, s)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "1MB", "MiB", "1 MiB", "99999999999GiB"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d", text, s)
		}
	}
}
