//go:build linux

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// panel is one of the plot's four: cost against one thing.
type panel struct {
	title  string
	labels []string
	costs  []spread
}

// plotted are the groups that the plot shows, in order.
var plotted = []string{"jurisdictions", "sinks", "partitions", "sizes"}

// panelsOf takes from the results what the plot shows.
func panelsOf(all []series, results map[string][]result) (panels []panel) {
	for _, group := range plotted {
		for _, s := range all {
			if s.group != group {
				continue
			}
			p := panel{title: s.varies}
			for _, pt := range s.points {
				if runs := results[pt.cell.key()]; len(runs) > 0 {
					p.labels = append(p.labels, pt.label)
					p.costs = append(p.costs, spreadOf(runs, steadyCost))
				}
			}
			if len(p.costs) > 0 {
				panels = append(panels, p)
			}
		}
	}
	return panels
}

// Measures of the plot, in units of its view box.
const (
	panelWidth, panelHeight = 400, 250
	left, right, top, foot  = 52, 20, 40, 46
	plotTop                 = 34
	columns                 = 2
)

const plotStyle = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.back { fill: #ffffff } .grid { stroke: #d1d9e0 } .axis { stroke: #59636e }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
.quiet { fill: #59636e; font-size: 12px } .title { font-weight: 600 }
.line { fill: none; stroke: #0969da; stroke-width: 2 } .dot { fill: #0969da } .range { stroke: #0969da; stroke-width: 1.5; opacity: .55 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .back { fill: #0d1117 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }
.value { stroke: #0d1117 } .quiet { fill: #9198a1 } .line { stroke: #4493f8 } .dot { fill: #4493f8 } .range { stroke: #4493f8 }
}
</style>
`

// svg draws the panels, two in a row.
func svg(panels []panel) string {
	rows := (len(panels) + columns - 1) / columns
	width, height := columns*panelWidth, plotTop+rows*panelHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Cost per record">`+"\n", width, height, width, height)
	b.WriteString(plotStyle)
	fmt.Fprintf(&b, `<rect class="back" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24"><tspan class="title">demarc: microseconds of processor time per record</tspan><tspan class="quiet" dx="12">median, and the range of all runs</tspan></text>`+"\n", left)
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWidth, plotTop+i/columns*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws a panel at the origin. Its scale begins at zero; its points stand at equal distances, whatever their
// values.
func (p *panel) draw(b *strings.Builder) {
	most := 0.0
	for _, c := range p.costs {
		most = max(most, c.most)
	}
	step := niceStep(most)
	limit := math.Ceil(most/step*1.15) * step
	y := func(v float64) float64 { return panelHeight - foot - v/limit*(panelHeight-top-foot) }
	x := func(i int) float64 {
		return left + (float64(i)+0.5)/float64(len(p.costs))*(panelWidth-left-right)
	}
	fmt.Fprintf(b, `<text class="title" x="%d" y="26">%s</text>`+"\n", left, html.EscapeString("by "+p.title))
	for n := 0; float64(n)*step <= limit+step/2; n++ {
		v := float64(n) * step
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="quiet" text-anchor="end" x="%d" y="%.1f">%s</text>`+"\n",
			left, panelWidth-right, y(v), y(v), left-8, y(v)+4, shortNumber(v))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+"\n", left, panelWidth-right, y(0), y(0))
	var line []string
	for i, c := range p.costs {
		line = append(line, fmt.Sprintf("%.1f,%.1f", x(i), y(c.median)))
	}
	fmt.Fprintf(b, `<polyline class="line" points="%s"/>`+"\n", strings.Join(line, " "))
	for i, c := range p.costs {
		fmt.Fprintf(b, `<line class="range" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><circle class="dot" cx="%.1f" cy="%.1f" r="4"/>`,
			x(i), x(i), y(c.least), y(c.most), x(i), y(c.median))
		fmt.Fprintf(b, `<text class="value" text-anchor="middle" x="%.1f" y="%.1f">%s</text>`, x(i), y(c.most)-9, figure(c.median))
		fmt.Fprintf(b, `<text class="quiet" text-anchor="middle" x="%.1f" y="%d">%s</text>`+"\n", x(i), panelHeight-foot+18, html.EscapeString(p.labels[i]))
	}
}

// niceStep is a distance of 1, 2 or 5 times a power of ten that divides the range up to most into about four.
func niceStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, step := range []float64{1, 2, 5} {
		if step*power*4 >= most*0.9 {
			return step * power
		}
	}
	return 10 * power
}

func shortNumber(v float64) string {
	text := fmt.Sprintf("%.3f", v)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
