package classifier

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed data/mcc.csv
var mccCSV string

//go:embed data/calling_codes.csv
var callingCodesCSV string

// codes is never written after start.
var codes = parseCodeTables(mccCSV, callingCodesCSV)

// codeTables give the region of every three-digit mobile country code, and of every three digits that a phone
// number can begin with: no assigned calling code is longer, and none is the beginning of another.
type codeTables struct {
	mcc     [1000]region
	calling [1000]region
	shared  []Countries // what the regions from firstSharedRegion on stand for
}

func parseCodeTables(mcc, calling string) *codeTables {
	t := &codeTables{}
	for i := range t.mcc {
		t.mcc[i], t.calling[i] = noRegion, noRegion
	}
	numbers := map[Countries]region{}
	for code, countries := range codeRows(mcc) {
		t.assign(&t.mcc, code, t.intern(numbers, countries))
	}
	for code, countries := range codeRows(calling) {
		t.assign(&t.calling, code, t.intern(numbers, countries))
	}
	return t
}

// assign gives r to every three digits that begin with code.
func (t *codeTables) assign(table *[1000]region, code string, r region) {
	first, err := strconv.Atoi((code + "000")[:3])
	if err != nil {
		panic(fmt.Sprintf("classifier: code %q is not a number", code))
	}
	n := [...]int{1: 100, 2: 10, 3: 1}[len(code)]
	for i := first; i < first+n; i++ {
		if table[i] != noRegion {
			panic(fmt.Sprintf("classifier: code %q begins another or stands twice", code))
		}
		table[i] = r
	}
}

// intern numbers a set of countries; numbers remembers those that have one.
func (t *codeTables) intern(numbers map[Countries]region, set Countries) region {
	if set.Len() == 1 {
		return region(set.All()[0])
	}
	r, ok := numbers[set]
	if !ok {
		r = firstSharedRegion + region(len(t.shared))
		t.shared = append(t.shared, set)
		numbers[set] = r
	}
	return r
}

// codeRows yields the rows of an embedded table, `code,countries separated by blanks`, comments left out.
func codeRows(csv string) func(yield func(string, Countries) bool) {
	return func(yield func(string, Countries) bool) {
		for line := range strings.Lines(csv) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			code, list, _ := strings.Cut(line, ",")
			var set Countries
			for alpha2 := range strings.FieldsSeq(list) {
				c, ok := CountryByAlpha2(alpha2)
				if !ok {
					panic(fmt.Sprintf("classifier: code %s names %q, which is no country", code, alpha2))
				}
				set.Add(c)
			}
			if set.Len() == 0 {
				panic(fmt.Sprintf("classifier: code %s names no country", code))
			}
			if !yield(code, set) {
				return
			}
		}
	}
}
