package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/demarc/demarc/ledger"
)

// told is what the log told before it is cited: policies, and the places that entries were taken from.
type told struct {
	policies map[string]*toldPolicy // by SHA-256
	versions map[int64]string       // version -> SHA-256
	geos     map[string]int64       // SHA-256 -> build time
	vias     map[int32]*intervals   // partition of the entries topic -> offsets
}

// toldPolicy is a policy whose text is being told, or was.
type toldPolicy struct {
	entry   uint64 // of its newest part
	version int64
	parts   int32
	seen    int32
	text    hash.Hash
	good    bool
}

func (p *toldPolicy) complete() bool { return p.seen == p.parts }

func newTold() told {
	return told{map[string]*toldPolicy{}, map[int64]string{}, map[string]int64{}, map[int32]*intervals{}}
}

// via checks that no record of the entries topic is in the log twice.
func (t *told) via(v ledger.Via, say sayer) {
	seen := t.vias[v.Partition]
	if seen == nil {
		seen = new(intervals)
		t.vias[v.Partition] = seen
	}
	if _, twice := seen.add(Interval{v.Offset, v.Offset + 1}); twice {
		say("via.offset", "record %d of partition %d of the entries topic is in the log already", v.Offset, v.Partition)
	}
}

// policy takes in a part of a policy's text. Parts come in order, each once.
func (t *told) policy(index uint64, p *ledger.Policy, say sayer) {
	known := t.policies[p.SHA256]
	if known == nil {
		if sha, ok := t.versions[p.Version]; ok {
			say("version", "version %d is that of another policy, with SHA-256 %s", p.Version, sha)
		} else {
			t.versions[p.Version] = p.SHA256
		}
		known = &toldPolicy{version: p.Version, parts: p.Parts, text: sha256.New()}
		t.policies[p.SHA256] = known
	}
	switch {
	case p.Version != known.version:
		say("version", "the same text was told before as version %d", known.version)
		return
	case p.Parts != known.parts:
		say("parts", "was told before in %d parts", known.parts)
		return
	case p.Part <= known.seen:
		say("part", "is told again: a part enters a log once")
		return
	case p.Part > known.seen+1:
		say("part", "comes after part %d of %d", known.seen, known.parts)
		return
	}
	known.entry = index
	known.seen++
	known.text.Write([]byte(p.Text))
	if !known.complete() {
		return
	}
	sum := hex.EncodeToString(known.text.Sum(nil))
	known.good = sum == p.SHA256
	if !known.good {
		say("sha256", "the text has the SHA-256 %s: it is not the policy that is named", sum)
	}
}

// policyOf checks that a policy was told, in full and with its own hash.
func (t *told) policyOf(ref ledger.PolicyRef, say sayer) {
	known := t.policies[ref.SHA256]
	switch {
	case known == nil:
		say("policy.sha256", "cites the policy %s, which was not told before", ref.SHA256)
	case !known.complete():
		say("policy.sha256", "cites a policy of which only %d of %d parts were told before", known.seen, known.parts)
	case !known.good:
		say("policy.sha256", "cites a policy whose text is another, see entry %d", known.entry)
	case known.version != ref.Version:
		say("policy.version", "cites version %d of a policy that was told as version %d", ref.Version, known.version)
	}
}

// cited checks what a range says it was decided with.
func (t *told) cited(r *ledger.Range, say sayer) {
	t.policyOf(r.Policy, say)
	if r.Geo == nil {
		return
	}
	built, known := t.geos[r.Geo.SHA256]
	if !known {
		t.geos[r.Geo.SHA256] = r.Geo.Built
	} else if built != r.Geo.Built {
		say("geo.built", "is %d, but entries before say %d for the same database", r.Geo.Built, built)
	}
}
