package recount

import (
	"math"
	"math/big"
	"testing"
)

// exact is 1 - C(total-bad, n) / C(total, n).
func exact(total, n, bad uint64) float64 {
	if n > total-bad {
		return 1
	}
	choose := func(a, b uint64) *big.Int { return new(big.Int).Binomial(int64(a), int64(b)) }
	missed, _ := new(big.Rat).SetFrac(choose(total-bad, n), choose(total, n)).Float64()
	return 1 - missed
}

func TestConfidenceIsHypergeometric(t *testing.T) {
	for total := uint64(1); total < 40; total++ {
		for n := uint64(1); n <= total; n++ {
			for bad := uint64(1); bad <= total; bad++ {
				got, want := Confidence(total, n, bad), exact(total, n, bad)
				if math.Abs(got-want) > 1e-9 || got > want+1e-15 {
					t.Fatalf("Confidence(%d, %d, %d) = %v, want %v", total, n, bad, got, want)
				}
				if (got == 1) != (n > total-bad) {
					t.Fatalf("Confidence(%d, %d, %d) = %v: 1 is for certainty alone", total, n, bad, got)
				}
			}
		}
	}
	if got, want := Confidence(100_000, 3000, 100), exact(100_000, 3000, 100); math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Confidence(10_000_000, 9_999_000, 1000); got >= 1 || got < 0.99 {
		t.Errorf("nearly all: %v", got)
	}
	for _, none := range [][3]uint64{{0, 0, 0}, {10, 0, 1}, {10, 1, 0}} {
		if got := Confidence(none[0], none[1], none[2]); got != 0 {
			t.Errorf("Confidence(%v) = %v, want 0", none, got)
		}
	}
}

func TestChooseIsUniformAndRepeats(t *testing.T) {
	const total, n, rounds = 20, 5, 4000
	var drawn [total]int
	for seed := range uint64(rounds) {
		chosen := choose(seed, total, n)
		if len(chosen) != n {
			t.Fatalf("seed %d: %d drawn, want %d", seed, len(chosen), n)
		}
		again := choose(seed, total, n)
		for i := range chosen {
			if _, ok := again[i]; !ok || i >= total {
				t.Fatalf("seed %d: %v, then %v", seed, chosen, again)
			}
			drawn[i]++
		}
	}
	for i, got := range drawn { // 1000 expected, standard deviation 27: the seeds are fixed, so is the outcome
		if got < 850 || got > 1150 {
			t.Errorf("number %d was drawn %d times, want about %d", i, got, rounds*n/total)
		}
	}
	if got := choose(1, 3, 3); len(got) != 3 {
		t.Errorf("all of 3: %v", got)
	}
}

func TestSample(t *testing.T) {
	w := honest(t)
	for name, tc := range map[string]struct {
		config Config
		equal  int64
	}{"alone": {w.config(), 3}, "with the source": {w.withSource(), -1}} {
		t.Run(name, func(t *testing.T) {
			tc.config.Sample, tc.config.Seed = 3, 42
			r := w.run(tc.config)
			if r.Verdict != Equal || r.Receipts.Total != 8 || r.Receipts.Left+r.Receipts.Equal != 8 {
				t.Fatalf("verdict %s, %+v, %+v, %v", r.Verdict, r.Receipts, r.Listed, r.Unknown)
			}
			if tc.equal >= 0 && r.Receipts.Equal != tc.equal {
				t.Errorf("%+v", r.Receipts)
			}
			if r.Sample == nil || r.Sample.Drawn != 3 || r.Sample.Of != 8 || r.Sample.Confidence[0].Probability < 0.37 {
				t.Errorf("%+v", r.Sample)
			}
			if r.Source != nil && (r.Source.Equal == 0 || r.Source.Equal != r.Source.Entries) {
				t.Errorf("%+v", r.Source)
			}
		})
	}
	cfg := w.config()
	cfg.Sample = 100
	if r := w.run(cfg); r.Receipts.Equal != 8 || r.Sample.Confidence[2].Probability != 1 {
		t.Errorf("more than there are: %+v, %+v", r.Receipts, r.Sample)
	}
}

// TestSampleFindsWhatHasNoReceipt needs no luck: offsets without a receipt are all looked at.
func TestSampleFindsWhatHasNoReceipt(t *testing.T) {
	w := honest(t)
	w.seal()
	w.write(w.us, foreign("events.us", 0, "US"))
	cfg := w.config()
	cfg.Sample = 1
	if r := w.run(cfg); r.Differences[Unreceipted] != 1 || r.Verdict != Different {
		t.Errorf("%+v", r)
	}
}

// TestSampleFindsAFalseReceipt draws every receipt once, each by the seed that finds it.
func TestSampleFindsAFalseReceipt(t *testing.T) {
	w := honest(t)
	receiptOf(lastRange(w), "hold").SHA256 = receiptOf(lastRange(w), "us-main").SHA256
	found := 0
	for seed := range uint64(8) {
		cfg := w.config()
		cfg.Sample, cfg.Seed = 4, seed
		r := w.run(cfg)
		if (r.Verdict == Different) != (r.Receipts.Rewritten == 1) {
			t.Errorf("seed %d: %s, %+v", seed, r.Verdict, r.Receipts)
		}
		found += int(r.Receipts.Rewritten)
	}
	if found == 0 || found == 8 {
		t.Errorf("found by %d of 8 samples of half the receipts", found)
	}
}
