package classifier

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// say spells what a parser returns: the countries, or the reason.
func say(r region, reason record.Reason) string {
	if reason != record.Decided {
		return reason.String()
	}
	var names []string
	for _, c := range regionCountries(r).All() {
		names = append(names, c.String())
	}
	return strings.Join(names, " ")
}

func TestParseCodes(t *testing.T) {
	type parser = func([]byte) (region, record.Reason)
	for _, group := range []struct {
		name  string
		parse parser
		cases map[string]string
	}{
		{"alpha2", parseAlpha2, map[string]string{
			"US": "US", "us": "US", "uS": "US", "AD": "AD", "ZW": "ZW", "XK": "XK", "AE": "AE",
			"AA": "unknown_code", "ap": "unknown_code", "QM": "unknown_code", "QZ": "unknown_code", "XA": "unknown_code", "XX": "unknown_code",
			"XZ": "unknown_code", "ZZ": "unknown_code", "UK": "unknown_code", "EU": "unknown_code", "SU": "unknown_code", "AN": "unknown_code",
			"": "malformed", "U": "malformed", "USA": "malformed", "U1": "malformed", "T1": "malformed", "A2": "malformed", " US": "malformed",
			"US ": "malformed", "U ": "malformed", "840": "malformed", "en-US": "malformed", "US-CA": "malformed", "U\x00": "malformed",
			"\u216fK": "malformed", "\uff35\uff33": "malformed", "\u212a": "malformed", "\u017f": "malformed", "[\\": "malformed", "{|": "malformed", "@`": "malformed",
			"\xc1\xd3": "malformed", "5\x13": "malformed", "\x15\x13": "malformed", "N/A": "malformed", "unknown": "malformed",
		}},
		{"alpha3", parseAlpha3, map[string]string{
			"USA": "US", "usa": "US", "DEU": "DE", "XXX": "unknown_code", "XKX": "unknown_code", "ANT": "unknown_code", "AAA": "unknown_code",
			"": "malformed", "US": "malformed", "USAA": "malformed", "US1": "malformed", "US ": "malformed", "\u20ac": "malformed", "840": "malformed",
		}},
		{"numeric", parseNumeric, map[string]string{
			"840": "US", "004": "AF", "000": "unknown_code", "999": "unknown_code", "280": "unknown_code", "530": "unknown_code",
			"": "malformed", "4": "malformed", "04": "malformed", "0840": "malformed", "84O": "malformed", "+84": "malformed", " 40": "malformed", "\u0668": "malformed",
		}},
		{"mcc", parseMCC, map[string]string{
			"262": "DE", "26201": "DE", "310": "AS GU MP PR UM US VI", "310260": "AS GU MP PR UM US VI", "311480": "AS GU MP PR UM US VI",
			"316": "AS GU MP PR UM US VI", "330": "PR", "332": "VI", "534": "MP", "535": "GU", "544": "AS", "234": "GB GG IM JE", "23415": "GB GG IM JE",
			"235": "GB GG IM JE", "208": "FR", "340": "BL GF GP MF MQ", "362": "BQ CW SX", "647": "RE TF YT", "742": "GF", "505": "AU CC CX NF", "221": "XK",
			"460": "CN", "404": "IN", "222": "IT",
			"001": "unknown_code", "00101": "unknown_code", "999": "unknown_code", "99970": "unknown_code", "901": "unknown_code", "90101": "unknown_code",
			"991": "unknown_code", "000": "unknown_code", "100": "unknown_code", "203": "unknown_code", "317": "unknown_code", "289": "unknown_code",
			"": "malformed", "2": "malformed", "26": "malformed", "2620": "malformed", "2620101": "malformed", "262-01": "malformed", "262 01": "malformed",
			"26a": "malformed", "+262": "malformed", "262.0": "malformed", "\u0662\u0666": "malformed", " 262": "malformed",
		}},
		{"e164", parseE164, map[string]string{
			"+4930123456": "DE", "+12025550123": nanp, "+18765550123": nanp, "+1000000": nanp, "+77011234567": "KZ RU", "+79161234567": "KZ RU",
			"+442079460000": "GB GG IM JE", "+441534123456": "GB GG IM JE", "+59995550123": "BQ CW", "+590590123456": "BL GP MF", "+262262123456": "RE TF YT",
			"+4712345678": "NO SJ", "+358401234567": "AX FI", "+390612345678": "IT VA", "+61891621234": "AU CC CX", "+212528123456": "EH MA",
			"+29021234": "SH", "+2478123": "SH", "+38344123456": "XK", "+672322123": "AQ NF", "+3531234": "IE", "+999999999999999": "unknown_code",
			"+80012345678": "unknown_code", "+80812345678": "unknown_code", "+870773123456": "unknown_code", "+878101234567": "unknown_code",
			"+881612345678": "unknown_code", "+882161234567": "unknown_code", "+883510001234": "unknown_code", "+888123456789": "unknown_code",
			"+979123456789": "unknown_code", "+991123456789": "unknown_code", "+2101234567": "unknown_code", "+9991234": "unknown_code", "+8001234": "unknown_code",
			"": "malformed", "+": "malformed", "+1": "malformed", "+123456": "malformed", "+1234567890123456": "malformed", "+0123456789": "malformed",
			"4930123456": "malformed", "004930123456": "malformed", "+49 30 123456": "malformed", "+49-30-123456": "malformed", "+49(0)30123456": "malformed",
			" +4930123456": "malformed", "++4930123456": "malformed", "+493012345x": "malformed", "+\u0664930123456": "malformed", "tel:+4930123456": "malformed",
		}},
	} {
		for in, want := range group.cases {
			if got := say(group.parse([]byte(in))); got != want {
				t.Errorf("%s %q = %s, want %s", group.name, in, got, want)
			}
		}
	}
}

const nanp = "AG AI AS BB BM BS CA DM DO GD GU JM KN KY LC MP MS PR SX TC TT UM US VC VG VI"

// TestISOCodesAgree reads every country by its three codes, in both cases.
func TestISOCodesAgree(t *testing.T) {
	for c := range XK {
		row := countryTable.rows[c]
		for _, got := range []string{
			say(parseAlpha2([]byte(row.alpha2))), say(parseAlpha2([]byte(strings.ToLower(row.alpha2)))),
			say(parseAlpha3([]byte(row.alpha3))), say(parseAlpha3([]byte(strings.ToLower(row.alpha3)))), say(parseNumeric([]byte(row.numeric))),
		} {
			if got != c.String() {
				t.Errorf("%v is read as %s", row, got)
			}
		}
	}
}

// TestEveryShortCode reads all codes of two letters and of three digits: as many are countries as the tables list.
func TestEveryShortCode(t *testing.T) {
	alpha2, numeric, mcc := 0, 0, 0
	for i := range 256 {
		for j := range 256 {
			if _, reason := parseAlpha2([]byte{byte(i), byte(j)}); reason == record.Decided {
				alpha2++
			}
		}
	}
	for i := range 1000 {
		code := fmt.Appendf(nil, "%03d", i)
		if _, reason := parseNumeric(code); reason == record.Decided {
			numeric++
		}
		if _, reason := parseMCC(code); reason == record.Decided {
			mcc++
		}
	}
	rows := 0
	for range codeRows(mccCSV) {
		rows++
	}
	if alpha2 != 2*2*countryCount || numeric != int(XK) || mcc != rows {
		t.Errorf("%d alpha-2 codes, %d numeric, %d of %d mobile", alpha2, numeric, mcc, rows)
	}
}

// TestCallingCodesAreWholeBlocks: every number whose code is listed is read as its countries, whatever follows.
func TestCallingCodesAreWholeBlocks(t *testing.T) {
	starts := 0
	for code, countries := range codeRows(callingCodesCSV) {
		for rest := range 100 {
			number := fmt.Appendf(nil, "+%s%02d00000", code, rest)
			r, reason := parseE164(number)
			if reason != record.Decided || regionCountries(r) != countries {
				t.Fatalf("%s = %s", number, say(r, reason))
			}
		}
		starts += [...]int{1: 100, 2: 10, 3: 1}[len(code)]
	}
	decided := 0
	for i := 100; i < 1000; i++ {
		if _, reason := parseE164(fmt.Appendf(nil, "+%d00000", i)); reason == record.Decided {
			decided++
		}
	}
	if decided != starts {
		t.Errorf("%d beginnings of three digits are assigned, the codes have %d", decided, starts)
	}
}

func TestRegions(t *testing.T) {
	if n := staticRegions(); n != int(firstSharedRegion)+len(codes.shared) || len(codes.shared) < 10 {
		t.Errorf("staticRegions = %d with %d sets", n, len(codes.shared))
	}
	seen := map[Countries]bool{}
	for i, set := range codes.shared {
		if set.Len() < 2 || seen[set] {
			t.Errorf("set %d has %d countries, or stands twice", i, set.Len())
		}
		seen[set] = true
	}
	for c := range Country(countryCount) {
		if got := regionCountries(region(c)).All(); !slices.Equal(got, []Country{c}) {
			t.Errorf("regionCountries(%d) = %v", c, got)
		}
	}
}

func TestCodeTablesRefuse(t *testing.T) {
	for csv, want := range map[string]string{
		"1,US\n1,CA\n":     "stands twice",
		"44,GB\n447,GB\n":  "begins another",
		"447,GB\n44,GB\n":  "begins another",
		"49,UK\n":          "no country",
		"49,\n":            "names no country",
		"49\n":             "names no country",
		"4x,DE\n":          "not a number",
		"#c\n49,DE AT DE,": "no country",
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("table %q: %s, want %q", csv, got, want)
				}
			}()
			parseCodeTables("", csv)
		}()
	}
}

func FuzzParseCodes(f *testing.F) {
	for _, seed := range []string{"US", "usa", "840", "310260", "+12025550123", "\xff\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := string(in)
		for _, parse := range []func([]byte) (region, record.Reason){parseAlpha2, parseAlpha3, parseNumeric, parseMCC, parseE164} {
			r, reason := parse(in)
			switch reason {
			case record.Decided:
				if int(r) >= staticRegions() || regionCountries(r).Len() == 0 {
					t.Fatalf("%q names region %d", in, r)
				}
				// What is good is plain ASCII, so no look-alike passes.
				for _, c := range in {
					if c >= 0x80 || c <= ' ' {
						t.Fatalf("%q is read as %s", in, say(r, reason))
					}
				}
			case record.Malformed, record.UnknownCode:
			default:
				t.Fatalf("%q: %v", in, reason)
			}
		}
		if string(in) != before {
			t.Fatalf("%q was changed to %q", before, in)
		}
	})
}
