package writer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/demarc/demarc/ledger"
)

// policyText is a policy as far as its parts are in the log.
type policyText struct {
	parts int32
	texts []string // until all parts are there
	seen  int32
}

func (t *policyText) whole() bool { return t.seen == t.parts }

func (a *Admission) judgePolicy(p *ledger.Policy) (Verdict, error) {
	if digest, ok := a.versions[p.Version]; ok && digest != p.SHA256 {
		return Refuse, fmt.Errorf("admit policy version %d: the log holds another text of that version: raise the version of the policy", p.Version)
	}
	t := a.policies[ledger.PolicyRef{SHA256: p.SHA256, Version: p.Version}]
	if t == nil {
		t = &policyText{parts: p.Parts}
	}
	switch {
	case p.Parts != t.parts:
		return Refuse, fmt.Errorf("admit policy version %d: it comes in %d parts, those in the log are of %d", p.Version, p.Parts, t.parts)
	case p.Part <= t.seen && !t.whole() && t.texts[p.Part-1] != p.Text:
		return Refuse, fmt.Errorf("admit policy version %d: part %d is in the log with another text", p.Version, p.Part)
	case p.Part <= t.seen:
		return Known, nil
	case p.Part > t.seen+1:
		return Wait, fmt.Errorf("admit policy version %d: part %d comes before part %d", p.Version, p.Part, t.seen+1)
	case p.Part == p.Parts:
		sum := sha256.Sum256([]byte(strings.Join(t.texts, "") + p.Text))
		if hex.EncodeToString(sum[:]) != p.SHA256 {
			return Refuse, fmt.Errorf("admit policy version %d: its parts have the digest %x, not the one that they name, %s", p.Version, sum, p.SHA256)
		}
	}
	return Accept, nil
}

func (a *Admission) followPolicy(p *ledger.Policy) {
	ref := ledger.PolicyRef{SHA256: p.SHA256, Version: p.Version}
	t := a.policies[ref]
	if t == nil {
		t = &policyText{parts: p.Parts}
		a.policies[ref] = t
		a.versions[p.Version] = p.SHA256
	}
	t.seen++
	t.texts = append(t.texts, p.Text)
	if t.whole() {
		t.texts = nil
	}
}
