package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

type configCmd struct {
	Policy string `arg:"" optional:"" help:"Policy file; with it, the settings of its Kafka sinks too."`
	JSON   bool   `name:"json" help:"Print a JSON array."`
}

func (configCmd) Help() string {
	return `Settings are environment variables; secrets show as ***. Each Kafka sink NAME of the policy has its own TLS and SASL settings, DEMARC_SINK_NAME_TLS and so on (upper case, other characters become _).

Example:

    DEMARC_BROKERS=kafka-1:9092 DEMARC_TOPICS=events demarc config policy.yaml`
}

func (cmd configCmd) Run(s *streams) error {
	var sinks []string
	if cmd.Policy != "" {
		p, _, err := loadPolicy(cmd.Policy, s)
		if err != nil {
			return err
		}
		sinks = kafkaSinks(p)
	}
	c, err := configure(s.environ, sinks)
	if err != nil {
		return err
	}
	if cmd.JSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(c.Rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tDEFAULT\tMEANING")
	for _, r := range c.Rows {
		fmt.Fprintln(w, strings.Join([]string{r.Name, orDash(r.Value), orDash(r.Default), r.Meaning}, "\t"))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
