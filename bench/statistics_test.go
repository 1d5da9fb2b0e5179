//go:build linux

package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{1, 2.5, 4}},
		{[]float64{9, 1, 5}, spread{1, 5, 9}},
		{[]float64{9, 1, 5, 2}, spread{1, 3.5, 9}},
	} {
		before := slices.Clone(c.values)
		if got := spreadOfValues(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("%v were reordered", before)
		}
	}
}

func TestPercentilesAreThoseOfTheRecords(t *testing.T) {
	var l latencies
	l.add(100, 1) // one record in a thousand is slow
	l.add(5, 989)
	l.add(1, 10)
	for percent, want := range map[float64]float64{1: 1, 1.1: 5, 50: 5, 99.9: 5, 99.95: 100, 100: 100} {
		if got := l.percentile(percent); got != want {
			t.Errorf("percentile %v is %v, want %v", percent, got, want)
		}
	}
	if got := new(latencies).percentile(50); !math.IsNaN(got) {
		t.Errorf("percentile of nothing is %v", got)
	}
}

// TestPercentilesAgreeWithAList compares with every record on its own.
func TestPercentilesAgreeWithAList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var l latencies
		var all []float64
		for range 1 + r.IntN(20) {
			ms, n := float64(r.IntN(50)), 1+r.IntN(30)
			l.add(ms, int64(n))
			all = append(all, slices.Repeat([]float64{ms}, n)...)
		}
		slices.Sort(all)
		for _, percent := range []float64{0.1, 10, 50, 90, 99, 99.9, 100} {
			want := all[int(math.Ceil(float64(len(all))*percent/100))-1]
			if got := l.percentile(percent); got != want {
				t.Fatalf("percentile %v of %v is %v, want %v", percent, all, got, want)
			}
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0001: "0", 0.12345: "0.123", 1.2345: "1.23", 44.424: "44.42", 1234567.8: "1,234,568", -0.5: "-0.500", 100: "100",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	if got := figure(math.NaN()); got != "-" {
		t.Errorf("no number is written %s", got)
	}
	if got := thousands(-123456); got != "-123,456" {
		t.Errorf("got %s", got)
	}
}
