//go:build linux

package main

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRatios(t *testing.T) {
	recorded := map[string]float64{"mixed": 1.5, "pure": 0.5}
	for _, c := range []struct {
		name        string
		mixed, pure float64
		want        string // part of the error; empty: none
	}{
		{"the same", 1.5, 0.5, ""},
		{"faster", 0.7, 0.1, ""},
		{"within the limit", 1.649, 0.549, ""},
		{"mixed past it", 1.66, 0.5, "mixed: demarc takes 1.660 times what the floor takes, 1.500 was recorded: +10.7 %"},
		{"pure past it", 1.5, 0.56, "pure: "},
		{"no number", math.NaN(), 0.5, "mixed: "},
	} {
		err := compareRatios(recorded, map[string]float64{"mixed": c.mixed, "pure": c.pure})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if err := compareRatios(map[string]float64{"mixed": 1}, map[string]float64{"mixed": 1, "pure": 1}); err == nil {
		t.Error("a ratio that is not recorded passes")
	}
}

func TestRatiosAreOfTheLeast(t *testing.T) {
	runs := map[string][]result{}
	for _, s := range guardSeries() {
		runs[s.points[0].cell.key()] = []result{{cost: 9}, {cost: 2}}
		runs[s.points[1].cell.key()] = []result{{cost: 3}, {cost: 7}}
	}
	for name, got := range ratiosOf(runs) {
		if got != 1.5 {
			t.Errorf("%s: %v, want 1.5", name, got)
		}
	}
}

func TestGuardRepeatsBeforeItFails(t *testing.T) {
	b := newBench(settings{}, io.Discard)
	recorded := map[string]float64{"mixed": 1, "pure": 1}
	good, bad := map[string]float64{"mixed": 1.05, "pure": 1}, map[string]float64{"mixed": 1.05, "pure": 2}
	measured := 0
	if err := b.guard(func() (map[string]float64, error) {
		if measured++; measured < tries {
			return bad, nil
		}
		return good, nil
	}, recorded); err != nil || measured != tries {
		t.Errorf("after %d measurements: %v", measured, err)
	}
	measured = 0
	err := b.guard(func() (map[string]float64, error) { measured++; return bad, nil }, recorded)
	if err == nil || !strings.Contains(err.Error(), "pure: demarc takes 2.000 times") || measured != tries {
		t.Errorf("after %d measurements: %v", measured, err)
	}
	broken := errors.New("broken")
	if err := b.guard(func() (map[string]float64, error) { return nil, broken }, recorded); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestRecordedRatiosAreThere(t *testing.T) {
	recorded, err := readRatios("ratios.json")
	if err != nil || recorded.Records <= 0 || recorded.Broker == "" {
		t.Errorf("%+v, %v", recorded, err)
	}
}

func TestRatiosThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{"none.json": "", "text.json": "no", "part.json": `{"ratios": {"mixed": 1}}`} {
		file := filepath.Join(t.TempDir(), name)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := readRatios(file); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
