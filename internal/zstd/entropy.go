package zstd

import "math"

// Tables that were made for one block serve another if they take at most an eighth more for it than tables of its own
// could, which is the entropy of what it tells: by a sample, since to count everything is half of what making tables
// costs.
const (
	sampledLiterals  = 1 << 10
	sampledSequences = 1 << 9
)

// logs are the binary logarithms of 1 and above, in parts of 1<<logUnit.
var logs = func() (t [sampledLiterals + 1]int) {
	for i := range t[1:] {
		t[i+1] = int(math.Round(math.Log2(float64(i+1)) * (1 << logUnit)))
	}
	return t
}()

const logUnit = 16

// entropyOf is what n symbols of these counts take at least, in parts of 1<<logUnit of a bit.
func entropyOf(counts []uint32, n int) int {
	entropy := n * logs[n]
	for _, c := range counts {
		entropy -= int(c) * logs[c]
	}
	return entropy
}

// near reports whether a cost is little above an entropy.
func near(cost, entropy int) bool { return cost <= entropy+entropy/8 }
