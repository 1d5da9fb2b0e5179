package zstd

// rate is how many bytes, in 256ths, the entropy coding of a block needs for what it tells.
type rate int

func rateOf(bytes, n int) rate { return rate(bytes<<8) / rate(n) }

// near reports whether what a block needs by the tables of another is near to what that one needed. Where it is
// not, more or less, the block is of another kind and gets tables of its own.
func (r rate) near(other rate) bool { return max(r-other, other-r) <= other/8 }
