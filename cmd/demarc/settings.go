package main

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// envPrefix begins the name of every setting; sinkPrefix, the sink's name and "_" that of a Kafka sink's.
const (
	envPrefix  = "DEMARC_"
	sinkPrefix = envPrefix + "SINK_"

	ledgerPrefix = envPrefix + "LEDGER_" // of the settings of DEMARC_LEDGER_BROKERS
)

// settings are what the process needs and the policy does not say. They come from environment variables alone:
// the tag `env` is the name after DEMARC_, `help` its line in `demarc config`, `min` and `max` its bounds.
type settings struct {
	Brokers []string `env:"BROKERS" help:"brokers of the source cluster, host:port, comma-separated; required by run"`
	Topics  []string `env:"TOPICS" help:"source topics, comma-separated; required by run"`
	Group   string   `env:"GROUP" envDefault:"demarc" help:"consumer group on the source cluster"`
	Start   start    `env:"START" envDefault:"earliest" help:"where a partition without a committed offset begins: earliest or latest"`
	Source  connection

	GeoDB string `env:"GEO_DB" help:"geo database file (MaxMind DB format), read again when it is replaced; default: the embedded one"`

	Ledger    string `env:"LEDGER" help:"folder of the ledger, made by demarc ledger init; default: none, and no evidence is kept unless DEMARC_LEDGER_TOPIC is set"`
	LedgerKey string `env:"LEDGER_KEY" help:"file of the key that signs the ledger; default: DEMARC_LEDGER with .key after it"`

	LedgerTopic       string   `env:"LEDGER_TOPIC" help:"topic that several instances append their evidence to, for demarc sequence; run takes this or DEMARC_LEDGER"`
	LedgerCheckpoints string   `env:"LEDGER_CHECKPOINTS_TOPIC" help:"topic in which demarc sequence says what it is about to sign"`
	LedgerBrokers     []string `env:"LEDGER_BROKERS" help:"brokers of the cluster of both topics, host:port, comma-separated; default: DEMARC_BROKERS with its TLS and SASL settings"`

	Listen   string    `env:"LISTEN" envDefault:"127.0.0.1:8470" help:"address of the page, /status.json, /ledger/, /metrics, /healthz and /readyz"`
	Log      logFormat `env:"LOG" envDefault:"text" help:"form of the log: text or json"`
	LogLevel logLevel  `env:"LOG_LEVEL" envDefault:"info" help:"least level that is logged: debug, info, warn or error"`

	Lanes          int           `env:"LANES" envDefault:"32" min:"1" max:"1024" help:"units of ownership and work; the same in every process of the group"`
	Window         int           `env:"WINDOW" envDefault:"4" min:"1" max:"1024" help:"fetched chunks of one source partition in flight"`
	Memory         size          `env:"MEMORY" envDefault:"128MiB" min:"16MiB" max:"64GiB" help:"about how much fetched data may be in flight; fetching waits beyond it"`
	FetchBytes     size          `env:"FETCH_BYTES" envDefault:"4MiB" min:"64KiB" max:"1GiB" help:"most bytes of one fetch response"`
	PartitionBytes size          `env:"PARTITION_BYTES" envDefault:"1MiB" min:"16KiB" max:"1GiB" help:"most bytes of one partition in a fetch response; a larger batch still comes whole"`
	MaxBatchBytes  size          `env:"MAX_BATCH_BYTES" envDefault:"64MiB" min:"1MiB" max:"1GiB" help:"most bytes that one batch may decompress to; a larger one stops its partition"`
	CommitInterval time.Duration `env:"COMMIT_INTERVAL" envDefault:"100ms" min:"10ms" max:"1m" help:"how often offsets of settled records are committed"`
	SessionTimeout time.Duration `env:"SESSION_TIMEOUT" envDefault:"30s" min:"1s" max:"30m" help:"how long the group waits for a silent process before it gives its lanes away"`
	DrainLimit     time.Duration `env:"DRAIN_LIMIT" envDefault:"10s" min:"1s" max:"30m" help:"how long a stop or a rebalance waits for batches in flight; shorter than the session timeout"`
}

// connection is how to reach a Kafka cluster: the source, or with DEMARC_SINK_NAME_ before the names a sink's.
type connection struct {
	TLS           bool   `env:"TLS" envDefault:"false" help:"true: connect with TLS 1.2 or later"`
	TLSCA         string `env:"TLS_CA" help:"file of the certificate authorities (PEM); default: the system's"`
	TLSCert       string `env:"TLS_CERT" help:"file of the client certificate (PEM), for mutual TLS"`
	TLSKey        string `env:"TLS_KEY" help:"file of the client certificate's key (PEM)"`
	TLSServerName string `env:"TLS_SERVER_NAME" help:"name expected in the brokers' certificates; default: the host that is dialled"`

	SASLMechanism    mechanism `env:"SASL_MECHANISM" help:"plain, scram-sha-256 or scram-sha-512; default: no SASL"`
	SASLUser         string    `env:"SASL_USER" help:"user name"`
	SASLPassword     secret    `env:"SASL_PASSWORD" help:"password; rather use the file"`
	SASLPasswordFile string    `env:"SASL_PASSWORD_FILE" help:"file that holds the password; a line end after it is dropped"`
}

// secret never shows in output: however it is printed, it is three stars.
type secret string

func (s secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString masks %#v too.
func (s secret) GoString() string { return s.String() }

// MarshalText masks JSON and slog.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

type (
	start     string
	logFormat string
	logLevel  string
	mechanism string
)

func (v *start) UnmarshalText(b []byte) error     { return oneOf(v, b, "earliest", "latest") }
func (v *logFormat) UnmarshalText(b []byte) error { return oneOf(v, b, "text", "json") }
func (v *logLevel) UnmarshalText(b []byte) error {
	return oneOf(v, b, "debug", "info", "warn", "error")
}
func (v *mechanism) UnmarshalText(b []byte) error {
	return oneOf(v, b, "plain", "scram-sha-256", "scram-sha-512")
}

func oneOf[T ~string](v *T, text []byte, words ...string) error {
	if !slices.Contains(words, string(text)) {
		return fmt.Errorf("want %s", strings.Join(words, " or "))
	}
	*v = T(text)
	return nil
}

// configuration is all settings of one process.
type configuration struct {
	settings
	LedgerConnection connection            // of LedgerBrokers
	Sinks            map[string]connection // by the name of the Kafka sink; exported, as fmt masks no unexported field
	Rows             []row                 // as `demarc config` prints them
}

// row is one setting for output.
type row struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Set     bool   `json:"set"` // in the environment
	Meaning string `json:"meaning"`
}

// configure reads the settings of the process and of the named Kafka sinks from environ ("NAME=value"). All
// faults are reported at once: invalid values, contradictions, and names beginning with DEMARC_ that mean
// nothing. With sinks nil (no policy at hand) settings of any sink are accepted by their ending.
func configure(environ []string, sinks []string) (*configuration, error) {
	vars := ours(environ)
	c := &configuration{Sinks: map[string]connection{}}
	var faults []error
	rows, errs := parse(&c.settings, envPrefix, vars, "")
	c.Rows, faults = append(c.Rows, rows...), append(faults, errs...)
	faults = append(faults, c.settings.malformed()...)
	if len(errs) == 0 {
		faults = append(faults, c.settings.contradictions()...)
	}
	owner := map[string]string{}
	for _, name := range sinks {
		prefix := sinkPrefix + sinkVariable(name) + "_"
		if other, taken := owner[prefix]; taken {
			faults = append(faults, fmt.Errorf("sinks %s and %s: both read their settings from %s...; rename one", other, name, prefix))
			continue
		}
		owner[prefix] = name
		var conn connection
		rows, errs := parse(&conn, prefix, vars, "sink "+name+": ")
		c.Rows, faults = append(c.Rows, rows...), append(faults, errs...)
		if len(errs) == 0 {
			faults = append(faults, conn.contradictions(prefix)...)
		}
		c.Sinks[name] = conn
	}
	rows, errs = parse(&c.LedgerConnection, ledgerPrefix, vars, "brokers of the ledger's topics: ")
	c.Rows, faults = append(c.Rows, rows...), append(faults, errs...)
	if len(errs) == 0 {
		faults = append(faults, c.LedgerConnection.contradictions(ledgerPrefix)...)
	}
	if len(c.LedgerBrokers) == 0 && c.LedgerConnection != (connection{}) {
		faults = append(faults, fmt.Errorf("%sTLS and SASL settings are given, but %sBROKERS is not set: the ledger's topics are on the source's cluster", ledgerPrefix, ledgerPrefix))
	}
	faults = append(faults, unknown(vars, c.Rows, sinks == nil)...)
	if len(faults) > 0 {
		return c, usageError(errors.Join(faults...))
	}
	return c, nil
}

// ours picks the variables that begin with DEMARC_.
func ours(environ []string) map[string]string {
	vars := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, envPrefix) {
			vars[name] = value
		}
	}
	return vars
}

// sinkVariable is a sink's name as it stands in variable names: ASCII letters in upper case, digits, and "_"
// for everything else.
func sinkVariable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// parse fills target, a pointer to a struct, from the variables that begin with prefix.
func parse(target any, prefix string, vars map[string]string, about string) ([]row, []error) {
	var faults []error
	err := env.ParseWithOptions(target, env.Options{Environment: vars, Prefix: prefix})
	names := map[string]string{} // of struct fields
	var rows []row
	walk(reflect.ValueOf(target).Elem(), func(f reflect.StructField, v reflect.Value) {
		name := prefix + f.Tag.Get("env")
		names[f.Name] = name
		set := vars[name] != ""
		rows = append(rows, row{
			Name: name, Value: show(v), Default: f.Tag.Get("envDefault"), Set: set, Meaning: about + f.Tag.Get("help"),
		})
		if fault := outside(f, v); fault != "" && set && err == nil {
			faults = append(faults, fmt.Errorf("%s=%s: %s", name, vars[name], fault))
		}
	})
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			faults = append(faults, invalid(e, names, vars))
		}
	} else if err != nil {
		faults = append(faults, fmt.Errorf("read settings: %w", err))
	}
	return rows, faults
}

// walk visits the settings of a struct in their order, those of nested structs in their place.
func walk(v reflect.Value, visit func(reflect.StructField, reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type.Kind() == reflect.Struct {
			walk(v.Field(i), visit)
			continue
		}
		visit(f, v.Field(i))
	}
}

// show is a value as the environment would write it, secrets masked.
func show(v reflect.Value) string {
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}

// outside says what bounds a value breaks; empty when it is within them.
func outside(f reflect.StructField, v reflect.Value) string {
	low, high := f.Tag.Get("min"), f.Tag.Get("max")
	if low == "" || (v.Int() >= bound(v.Type(), low) && v.Int() <= bound(v.Type(), high)) {
		return ""
	}
	return fmt.Sprintf("want %s to %s", low, high)
}

// bound reads a bound in the form of its setting. Bounds are written in this file; a wrong one fails the tests.
func bound(t reflect.Type, text string) int64 {
	switch t {
	case reflect.TypeFor[size]():
		var s size
		_ = s.UnmarshalText([]byte(text))
		return int64(s)
	case reflect.TypeFor[time.Duration]():
		d, _ := time.ParseDuration(text)
		return int64(d)
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// invalid names the variable, its value and what was wanted. No secret can be invalid, so none is shown.
func invalid(err error, names, vars map[string]string) error {
	var pe env.ParseError
	if !errors.As(err, &pe) {
		return err
	}
	cause := pe.Err
	switch pe.Type {
	case reflect.TypeFor[int]():
		cause = errors.New("want a whole number")
	case reflect.TypeFor[bool]():
		cause = errors.New("want true or false")
	case reflect.TypeFor[time.Duration]():
		cause = errors.New("want a duration such as 500ms, 30s or 5m")
	}
	name := names[pe.Name]
	return fmt.Errorf("%s=%s: %w", name, vars[name], cause)
}

// unknown lists the variables that no setting reads.
func unknown(vars map[string]string, rows []row, anySink bool) []error {
	known := make([]string, len(rows))
	for i, r := range rows {
		known[i] = r.Name
	}
	var faults []error
	for name := range vars {
		if slices.Contains(known, name) || anySink && namesSink(name) {
			continue
		}
		faults = append(faults, fmt.Errorf("%s: no such setting; did you mean %s? (`demarc config` lists them all)", name, nearest(name, known)))
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return faults
}

// namesSink reports whether a variable could be a setting of some Kafka sink.
func namesSink(name string) bool {
	rest, ok := strings.CutPrefix(name, sinkPrefix)
	found := false
	walk(reflect.ValueOf(connection{}), func(f reflect.StructField, _ reflect.Value) {
		sink, ends := strings.CutSuffix(rest, "_"+f.Tag.Get("env"))
		found = found || ends && sink != ""
	})
	return ok && found
}

// nearest is the known name with the fewest edits from name.
func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// edits is the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// malformed are lists and addresses that are not in the form that they need.
func (s *settings) malformed() []error {
	faults := slices.Concat(unclean("BROKERS", s.Brokers), unclean("TOPICS", s.Topics), unclean("LEDGER_BROKERS", s.LedgerBrokers))
	for name, brokers := range map[string][]string{"BROKERS": s.Brokers, "LEDGER_BROKERS": s.LedgerBrokers} {
		for _, broker := range brokers {
			if host, ok := hostPort(broker); broker != "" && (!ok || host == "") {
				faults = append(faults, fmt.Errorf("%s%s: %q: want HOST:PORT, such as kafka-1:9092", envPrefix, name, broker))
			}
		}
	}
	if _, ok := hostPort(s.Listen); !ok {
		faults = append(faults, fmt.Errorf("%sLISTEN=%s: want HOST:PORT, or :PORT for all addresses", envPrefix, s.Listen))
	}
	return faults
}

// unclean finds empty and repeated entries of a list.
func unclean(name string, list []string) []error {
	var faults []error
	seen := map[string]bool{}
	for i, entry := range list {
		switch {
		case strings.TrimSpace(entry) == "":
			faults = append(faults, fmt.Errorf("%s%s: entry %d is empty", envPrefix, name, i+1))
		case seen[entry]:
			faults = append(faults, fmt.Errorf("%s%s: %q is there twice", envPrefix, name, entry))
		}
		seen[entry] = true
	}
	return faults
}

// hostPort takes an address with a numeric port apart.
func hostPort(address string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	_, bad := strconv.ParseUint(port, 10, 16)
	return host, err == nil && bad == nil && !strings.ContainsAny(host, " \t/")
}

// contradictions are settings that are each valid but not together.
func (s *settings) contradictions() []error {
	faults := s.Source.contradictions(envPrefix)
	if s.DrainLimit >= s.SessionTimeout {
		faults = append(faults, fmt.Errorf("%sDRAIN_LIMIT=%v: want less than %sSESSION_TIMEOUT=%v; nothing keeps the session alive while lanes drain",
			envPrefix, s.DrainLimit, envPrefix, s.SessionTimeout))
	}
	if s.PartitionBytes > s.FetchBytes {
		faults = append(faults, fmt.Errorf("%sPARTITION_BYTES=%v: want at most %sFETCH_BYTES=%v", envPrefix, s.PartitionBytes, envPrefix, s.FetchBytes))
	}
	if s.LedgerKey != "" && s.Ledger == "" {
		faults = append(faults, fmt.Errorf("%[1]sLEDGER_KEY: the key of a ledger is given, but no ledger; set %[1]sLEDGER", envPrefix))
	}
	if s.FetchBytes > s.Memory {
		faults = append(faults, fmt.Errorf("%sFETCH_BYTES=%v: want at most %sMEMORY=%v", envPrefix, s.FetchBytes, envPrefix, s.Memory))
	}
	return faults
}

func (c *connection) contradictions(prefix string) []error {
	var faults []error
	refuse := func(wrong bool, name, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("%s%s: %s", prefix, name, fmt.Sprintf(format, args...)))
		}
	}
	refuse(!c.TLS && c.TLSCA+c.TLSCert+c.TLSKey+c.TLSServerName != "", "TLS", "TLS settings are given but TLS is off; set %sTLS=true", prefix)
	refuse((c.TLSCert == "") != (c.TLSKey == ""), "TLS_CERT", "certificate and key go together; set %sTLS_CERT and %sTLS_KEY", prefix, prefix)
	given := c.SASLUser != "" || c.SASLPassword != "" || c.SASLPasswordFile != ""
	refuse(c.SASLMechanism == "" && given, "SASL_MECHANISM", "a user or password is given but no mechanism; want plain or scram-sha-256 or scram-sha-512")
	refuse(c.SASLMechanism != "" && c.SASLUser == "", "SASL_USER", "%s needs a user", c.SASLMechanism)
	refuse(c.SASLPassword != "" && c.SASLPasswordFile != "", "SASL_PASSWORD", "given twice; use the password or the file, not both")
	refuse(c.SASLMechanism != "" && c.SASLPassword == "" && c.SASLPasswordFile == "", "SASL_PASSWORD_FILE", "%s needs a password", c.SASLMechanism)
	return faults
}
