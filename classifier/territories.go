package classifier

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed data/territories.csv
var territoriesCSV string

// territoryTable gives a state's dependent territories that have an ISO code of their own. It is never written
// after start.
var territoryTable = parseTerritories(territoriesCSV)

func parseTerritories(csv string) map[Country]Countries {
	table := map[Country]Countries{}
	for line := range strings.Lines(csv) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		code, state, _ := strings.Cut(line, ",")
		territory, known := CountryByAlpha2(code)
		of, knownState := CountryByAlpha2(state)
		if !known || !knownState {
			panic(fmt.Sprintf("classifier: territories.csv: %q names a code that countries.csv does not have", line))
		}
		all := table[of]
		all.Add(territory)
		table[of] = all
	}
	return table
}
