package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
)

type explainCmd struct {
	Policy string    `arg:"" help:"Policy file."`
	Topic  string    `help:"Source topic of the record."`
	Key    *string   `help:"Key of the record; without it the key is null."`
	Header []string  `sep:"none" placeholder:"K=V" help:"Header, any number of times, in order; K alone is a null value."`
	Null   bool      `help:"The value is null (a tombstone); standard input is not read."`
	Geo    string    `placeholder:"FILE" help:"Geo database file; default: the embedded one."`
	Now    time.Time `placeholder:"TIME" help:"Time that the geo database's age is judged at, RFC 3339; default: now."`
}

func (explainCmd) Help() string {
	return `The value is standard input to its end, byte for byte: no bytes are an empty value, not a null one.

Example:

    printf '{"network":{"ip":"1.1.1.1"}}' | demarc explain policy.yaml --header account-country=US`
}

// maxValue is beyond what any broker takes as one record.
const maxValue = 1 << 30

func (cmd explainCmd) Run(s *streams) error {
	p, _, err := loadPolicy(cmd.Policy, s)
	if err != nil {
		return err
	}
	geo, err := openGeo(cmd.Geo, p)
	if err != nil {
		return err
	}
	r, err := cmd.record(s.in)
	if err != nil {
		return err
	}
	if cmd.Now.IsZero() {
		cmd.Now = time.Now()
	}
	e := classifier.New(p).Evaluator()
	e.Use(snapshot(geo, p, cmd.Now))
	line, err := json.Marshal(e.Explain(cmd.Topic, r))
	if err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", line)
	return err
}

// record is the record that the flags and standard input describe.
func (cmd explainCmd) record(in io.Reader) (*record.Record, error) {
	r := &record.Record{}
	if cmd.Key != nil {
		r.Key = []byte(*cmd.Key)
	}
	for _, h := range cmd.Header {
		name, value, ok := strings.Cut(h, "=")
		if name == "" || !ok && strings.ContainsAny(name, ": \t") {
			return nil, usageError(headerFault(h))
		}
		header := record.Header{Key: []byte(name)}
		if ok {
			header.Value = []byte(value)
		}
		r.Headers = append(r.Headers, header)
	}
	if cmd.Null {
		return r, nil
	}
	value, err := io.ReadAll(io.LimitReader(in, maxValue+1))
	if err != nil {
		return nil, fmt.Errorf("read value from standard input: %w", err)
	}
	if len(value) > maxValue {
		return nil, usageError(fmt.Errorf("read value from standard input: larger than %s", size(maxValue)))
	}
	r.Value = value
	return r, nil
}

// headerFault says what is wrong with a --header; most write it as in HTTP.
func headerFault(h string) error {
	hint := ""
	if name, value, ok := strings.Cut(h, ":"); ok && name != "" {
		hint = "; write " + name + "=" + strings.TrimSpace(value)
	}
	return fmt.Errorf("--header=%q: want NAME=VALUE, or NAME alone for a null value%s", h, hint)
}
