package claim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/yaml"
	"github.com/demarc/demarc/ledger"
)

// described is a sink as the text of a policy has it. What pins entries tell of a sink is held against it: a claim
// prints the country that the policy names, and calls a sink pinned if the policy's pins held.
type described struct {
	location  ledger.Location
	place     ledger.Place // the cluster is that of the pin, if there is one
	unpinned  bool
	keys      []string
	addresses []netip.Prefix
}

func describe(sink yaml.Node) described {
	at, kafka, pins := child(sink, "location"), child(sink, "kafka"), child(sink, "pins")
	unpinned := child(sink, "unpinned")
	d := described{
		location: ledger.Location{
			Country: strings.ToUpper(child(at, "country").Text), Region: child(at, "region").Text, Operator: child(at, "operator").Text,
		},
		place:    ledger.Place{Cluster: child(pins, "cluster_id").Text, Directory: child(child(sink, "file"), "dir").Text, Topic: child(kafka, "topic").Text},
		unpinned: unpinned.Kind == yaml.Bool && strings.EqualFold(unpinned.Text, "true"),
		keys:     items(child(pins, "tls_spki_sha256")),
	}
	for _, text := range items(child(pins, "addresses")) {
		if addr, err := netip.ParseAddr(text); err == nil {
			d.addresses = append(d.addresses, netip.PrefixFrom(addr, addr.BitLen()))
		} else if prefix, err := netip.ParsePrefix(text); err == nil {
			d.addresses = append(d.addresses, prefix)
		}
	}
	return d
}

// differs says in what an entry tells of another sink than the policy; "" if it does not.
func (d *described) differs(p *ledger.Pins) string {
	switch {
	case p.Location != d.location:
		return fmt.Sprintf("it stands in %s, and by the policy in %s", locationText(p.Location), locationText(d.location))
	case p.Place.Directory != d.place.Directory || p.Place.Topic != d.place.Topic:
		return fmt.Sprintf("it is %s, and by the policy %s", placeText(p.Place), placeText(d.place))
	case p.Unpinned != d.unpinned && d.unpinned:
		return "it is pinned, and by the policy to nothing"
	case p.Unpinned != d.unpinned:
		return "it is pinned to nothing, and by the policy it has pins"
	case !p.Held || d.unpinned || d.place.Topic == "":
		return ""
	case d.place.Cluster == "" || len(d.keys)+len(d.addresses) == 0:
		return "its pins held, and the policy has none that would prove the place"
	}
	held := map[string]bool{}
	for i := range p.Checks {
		c := &p.Checks[i]
		if !d.expects(c) {
			return fmt.Sprintf("its pin %s held with %q, which the policy does not expect", c.Pin, c.Seen)
		}
		held[c.Pin] = true
	}
	for pin, written := range map[string]bool{"cluster_id": true, "tls_spki_sha256": len(d.keys) > 0, "address": len(d.addresses) > 0} {
		if written && !held[pin] {
			return "its pins held, and not all that the policy has were looked at"
		}
	}
	return ""
}

// expects reports whether the policy takes what a check saw.
func (d *described) expects(c *ledger.Check) bool {
	switch c.Pin {
	case "cluster_id":
		return c.Seen == d.place.Cluster
	case "tls_spki_sha256":
		return slices.Contains(d.keys, c.Seen)
	case "address":
		seen, err := netip.ParseAddr(c.Seen)
		return err == nil && slices.ContainsFunc(d.addresses, func(in netip.Prefix) bool { return in.Contains(seen) })
	}
	return false
}

func locationText(l ledger.Location) string {
	return strings.Join(slices.DeleteFunc([]string{l.Country, l.Region, l.Operator}, func(s string) bool { return s == "" }), ", ")
}

func placeText(p ledger.Place) string {
	if p.Topic == "" {
		return "directory " + p.Directory
	}
	return "topic " + p.Topic
}

// contradiction says in what an entry about a sink differs from the text of its policy; "" if it does not, or if the
// text is not known, which is a finding by itself.
func (a *Accumulator) contradiction(e *ledger.Pins) string {
	p := a.policies[e.Policy.SHA256]
	if p == nil || p.fault != "" {
		return ""
	}
	sink, known := p.sinks[e.Sink]
	if !known {
		return "the policy has no such sink"
	}
	return sink.differs(e)
}
