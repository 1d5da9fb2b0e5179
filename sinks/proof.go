package sinks

import (
	"cmp"
	"slices"
	"sync"

	"github.com/demarc/demarc/internal/record"
)

// maxChecks bounds what a proof lists. A cluster has far fewer brokers; every connection is checked all the same.
const maxChecks = 128

// proof gathers what the checks of a sink's pins have found, over all its connections.
type proof struct {
	mu sync.Mutex
	p  record.Proof
}

// Proof is what the sink has found out about its place so far. It can be asked for at any time.
func (p *proof) Proof() record.Proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.p
	out.Checks = slices.Clone(p.p.Checks)
	return out
}

// checked adds one answer. An answer that is known already changes nothing; one that once was wrong stays wrong.
func (p *proof) checked(pin string, expected []string, seen string, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := record.Check{Pin: pin, Expected: expected, Seen: seen, Held: held}
	i, known := slices.BinarySearchFunc(p.p.Checks, c, func(a, b record.Check) int {
		return cmp.Or(cmp.Compare(a.Pin, b.Pin), cmp.Compare(a.Seen, b.Seen))
	})
	switch {
	case known && (p.p.Checks[i].Held == held || held):
		return
	case known:
		p.p.Checks[i].Held = false
	case len(p.p.Checks) >= maxChecks && held:
		return
	default:
		p.p.Checks = slices.Insert(p.p.Checks, i, c)
	}
	p.p.Held = p.p.Held && held
	p.p.Serial++
}

// place says that the sink is ready to be written to, in the cluster of that id.
func (p *proof) place(cluster string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.p.Cluster = cluster
	p.p.Held = !slices.ContainsFunc(p.p.Checks, func(c record.Check) bool { return !c.Held })
	p.p.Serial++
}

// expected lists what a pin accepts, as the policy writes it.
func (p Pins) expected(check Check) (list []string) {
	switch check {
	case CheckClusterID:
		if p.ClusterID != "" {
			list = append(list, p.ClusterID)
		}
	case CheckAddress:
		for _, a := range p.Addresses {
			list = append(list, a.String())
		}
	case CheckTLSKey:
		for _, k := range p.TLSSPKISHA256 {
			list = append(list, encodeSPKI(k))
		}
	}
	return list
}

// pinNames are the words of the evidence for the checks that are pins.
var pinNames = map[Check]string{CheckAddress: "address", CheckClusterID: "cluster_id", CheckTLSKey: "tls_spki_sha256"}
