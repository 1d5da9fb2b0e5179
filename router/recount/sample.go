package recount

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// choose draws n of total numbers, each set of n as likely as any other (Floyd). The same seed draws the same.
func choose(seed, total, n uint64) map[uint64]struct{} {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], seed)
	random := rand.New(rand.NewChaCha8(sha256.Sum256(key[:])))
	chosen := make(map[uint64]struct{}, n)
	for last := total - n; last < total; last++ {
		drawn := random.Uint64N(last + 1)
		if _, taken := chosen[drawn]; taken {
			drawn = last
		}
		chosen[drawn] = struct{}{}
	}
	return chosen
}

// Confidence is the probability that a sample of n out of total receipts holds at least one of the bad ones, when the
// sample is drawn without putting back and every set of n is equally likely:
//
//	1 - C(total-bad, n) / C(total, n)
//
// It is exactly 1 when n is above total-bad. The result is rounded towards 0 in its last bits: it never promises more.
func Confidence(total, n, bad uint64) float64 {
	switch {
	case bad == 0 || n == 0 || total == 0:
		return 0
	case bad > total || n > total-bad:
		return 1
	}
	// C(total-bad, n) / C(total, n) = product of (total-n-i) / (total-i) for i from 0 to bad-1; n and bad may change places.
	n, bad = max(n, bad), min(n, bad)
	missed := 0.0
	for i := range bad {
		missed += math.Log1p(-float64(n) / float64(total-i))
	}
	return min(max(-math.Expm1(missed)*(1-1e-12), 0), math.Nextafter(1, 0))
}
