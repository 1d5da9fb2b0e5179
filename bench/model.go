//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// model says what a record costs demarc as a sum of terms, in microseconds.
type model struct {
	terms []term
	fits  []fitted
}

type term struct {
	name string
	cost float64
}

// fitted is a cell as it was measured and as the model has it.
type fitted struct {
	name            string
	measured, model float64
}

const (
	usualSinks         = 3
	usualJurisdictions = 3
)

// Names of terms. A pure batch costs its codec's passing term, a mixed one its rewriting term instead.
const (
	termJSON          = "JSON signal, over a header"
	termIP            = "IP look-up, over one JSON signal"
	termSinks         = "each sink beyond the third, rewritten batches"
	termJurisdictions = "each jurisdiction beyond the third"
	termLedger        = "a ledger, with the digests of its receipts"
)

// modelCodecs are in the order of what they cost, more or less.
var modelCodecs = []string{"none", "lz4", "snappy", "zstd", "gzip"}

func passing(codec string) string   { return codec + " batch passed on as it is" }
func rewriting(codec string) string { return codec + " batch taken apart and written again" }

// features are the terms of which a cell's cost is the sum, and how often each is in it.
func features(c *cell) map[string]float64 {
	f := map[string]float64{}
	if c.workload.traffic.Run > 0 {
		f[passing(c.workload.codec)] = 1
	} else {
		f[rewriting(c.workload.codec)] = 1
		f[termSinks] = float64(len(c.routing.sinks) - usualSinks)
	}
	if c.routing.signals != headerSignal {
		f[termJSON] = 1
	}
	if c.routing.signals == jsonAndIP {
		f[termIP] = 1
	}
	f[termJurisdictions] = float64(len(c.routing.homes) - usualJurisdictions)
	if c.subject == theWitnessed {
		f[termLedger] = 1
	}
	return f
}

// modelled reports whether the model is about a cell: demarc, with a ledger or without, with the usual records, batches and partitions.
func modelled(c *cell) bool {
	w := c.workload
	return (c.subject == theDemarc || c.subject == theWitnessed) && w.partitions == mixed.partitions && w.batch == mixed.batch && w.traffic.Size == 0
}

// fitModel fits the terms to the medians of the cells.
func fitModel(list []cell, results map[string][]result) (model, error) {
	var names []string
	for _, name := range []func(string) string{passing, rewriting} {
		for _, codec := range modelCodecs {
			names = append(names, name(codec))
		}
	}
	names = append(names, termJSON, termIP, termSinks, termJurisdictions, termLedger)
	var m model
	var rows [][]float64
	var values []float64
	for _, c := range list {
		if !modelled(&c) || len(results[c.key()]) == 0 {
			continue
		}
		has := features(&c)
		row := make([]float64, len(names))
		for i, name := range names {
			row[i] = has[name]
		}
		rows = append(rows, row)
		values = append(values, spreadOf(results[c.key()], steadyCost).median)
		m.fits = append(m.fits, fitted{name: strings.TrimPrefix(c.key(), theDemarc.name+", ")})
	}
	x, err := leastSquares(rows, values)
	if err != nil {
		return model{}, err
	}
	for i, name := range names {
		m.terms = append(m.terms, term{name, x[i]})
	}
	for k := range m.fits {
		m.fits[k].measured = values[k]
		for i := range names {
			m.fits[k].model += rows[k][i] * x[i]
		}
	}
	return m, nil
}

// unseen stands for a cost that came out below nothing: it is less than the runs differ by.
const unseen = "less than the noise"

// text is the cost of a term for readers.
func (m *model) text(name string) string {
	if cost := m.cost(name); !(cost < 0) {
		return figure(cost)
	}
	return unseen
}

// cost is that of a term.
func (m *model) cost(name string) float64 {
	for _, t := range m.terms {
		if t.name == name {
			return t.cost
		}
	}
	return math.NaN()
}

func steadyCost(r result) float64 { return r.cost }

// markdown is the model as a table, and how far it is from each cell.
func (m model) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "What a record of 760 bytes costs demarc, as a sum: the batch, then what is read of the record, then what the policy\n"+
		"adds to %d sinks and %d jurisdictions. Fitted by least squares to the medians below; microseconds per record.\n\n",
		usualSinks, usualJurisdictions)
	b.WriteString("| term | us/record |\n|---|---:|\n")
	for _, t := range m.terms {
		fmt.Fprintf(&b, "| %s | %s |\n", t.name, m.text(t.name))
	}
	b.WriteString("\nThe batch terms are for a header signal. How well the sum meets what was measured:\n\n")
	b.WriteString("| cell | measured | model | difference |\n|---|---:|---:|---:|\n")
	for _, f := range m.fits {
		fmt.Fprintf(&b, "| %s | %s | %s | %+.1f %% |\n", f.name, figure(f.measured), figure(f.model), (f.model/f.measured-1)*100)
	}
	return b.String()
}
