//go:build linux

package main

import (
	"math"
	"testing"
)

const pprofTop = `File: router.test
Type: cpu
Duration: 2.50s, Total samples = 2.40s (96.00%)
Showing nodes accounting for 2.40s, 100% of 2.40s total
      flat  flat%   sum%        cum   cum%
     0.72s 30.00% 30.00%      0.72s 30.00%  /home/me/router/internal/zstd/decoder_replay_amd64.s
     0.24s 10.00% 40.00%      0.24s 10.00%  /home/me/router/internal/zstd/decoder_huffman_amd64.s
     0.24s 10.00% 50.00%      0.60s 25.00%  /home/me/router/classifier/document_outline.go
     0.24s 10.00% 60.00%      0.24s 10.00%  /home/me/router/classifier/document_outline_amd64.s
     0.12s  5.00% 65.00%      0.12s  5.00%  /home/me/router/classifier/geo_table.go
     0.12s  5.00% 70.00%      0.48s 20.00%  /home/me/router/classifier/evaluate.go
     0.12s  5.00% 75.00%      0.12s  5.00%  /home/me/router/internal/wire/records.go (inline)
     0.24s 10.00% 85.00%      0.24s 10.00%  /usr/local/go/src/crypto/internal/fips140/sha256/sha256block_amd64.s
     0.12s  5.00% 90.00%      2.16s 90.00%  /home/me/router/router/split.go
     0.24s 10.00%   100%      0.24s 10.00%  /usr/local/go/src/runtime/memmove_amd64.s
         0     0%   100%      2.16s 90.00%  /usr/local/go/src/testing/benchmark.go
`

func TestProfileOf(t *testing.T) {
	got, err := profileOf(pprofTop)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.4, 0.2, 0.05, 0.05, 0.05, 0, 0.1, 0.05, 0.1} {
		if math.Abs(got[i]-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", profileParts[i].what, got[i], want)
		}
	}
	for _, text := range []string{"", pprofTop[:400]} {
		if p, err := profileOf(text); err == nil {
			t.Errorf("%q has the profile %v", text, p)
		}
	}
}
