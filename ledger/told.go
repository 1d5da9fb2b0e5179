package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"unicode/utf8"
)

// policyPart is how much of a policy's text one entry takes: with every byte escaped (six for one) it still fits.
const policyPart = 10_000

// PolicyEntries tells a policy's text, in as many entries as it needs. They may be appended as often as one likes:
// the log takes each once.
func PolicyEntries(version int64, text []byte) ([]Entry, error) {
	if len(text) == 0 || !utf8.Valid(text) {
		return nil, fmt.Errorf("tell policy version %d: its text is empty or not UTF-8", version)
	}
	sum := sha256.Sum256(text)
	var entries []Entry
	for len(text) > 0 {
		n := min(len(text), policyPart)
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		entries = append(entries, Entry{Kind: KindPolicy, Policy: &Policy{
			Part: int32(len(entries) + 1), SHA256: hex.EncodeToString(sum[:]), Text: string(text[:n]), Version: version,
		}})
		text = text[n:]
	}
	for i := range entries {
		entries[i].Policy.Parts = int32(len(entries))
	}
	return entries, nil
}
