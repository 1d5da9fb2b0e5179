package classifier

import "github.com/demarc/demarc/internal/record"

// The parsers of codes read a whole value and allocate nothing. Decided means that the region is good; otherwise
// the reason is Malformed or UnknownCode and the region means nothing.

// parseAlpha2 reads an ISO 3166-1 alpha-2 code in either case. XK is read as Kosovo; whether that is a country is
// the policy's to say.
func parseAlpha2(b []byte) (region, record.Reason) {
	if len(b) != 2 || !isLetter(b[0]) || !isLetter(b[1]) {
		return 0, record.Malformed
	}
	c := countryTable.alpha2[int(upper(b[0])-'A')*26+int(upper(b[1])-'A')]
	if c == 0 {
		return 0, record.UnknownCode
	}
	return region(c - 1), record.Decided
}

// parseAlpha3 reads an ISO 3166-1 alpha-3 code in either case.
func parseAlpha3(b []byte) (region, record.Reason) {
	if len(b) != 3 || !isLetter(b[0]) || !isLetter(b[1]) || !isLetter(b[2]) {
		return 0, record.Malformed
	}
	code := [3]byte{upper(b[0]), upper(b[1]), upper(b[2])}
	c, ok := countryTable.alpha3[string(code[:])]
	if !ok {
		return 0, record.UnknownCode
	}
	return region(c), record.Decided
}

// parseNumeric reads an ISO 3166-1 numeric code, which is three digits.
func parseNumeric(b []byte) (region, record.Reason) {
	if len(b) != 3 || !areDigits(b) {
		return 0, record.Malformed
	}
	c, ok := countryTable.numeric[string(b)]
	if !ok {
		return 0, record.UnknownCode
	}
	return region(c), record.Decided
}

// parseMCC reads the three digits of an ITU-T E.212 mobile country code, alone or followed by the two or three
// digits of a network code. Test networks and international ones are no countries.
func parseMCC(b []byte) (region, record.Reason) {
	if n := len(b); n != 3 && n != 5 && n != 6 || !areDigits(b) {
		return 0, record.Malformed
	}
	return assigned(codes.mcc[threeDigits(b)])
}

// parseE164 reads an ITU-T E.164 number: a plus sign and 7 to 15 digits, the first not 0. What follows the calling
// code is not looked at.
func parseE164(b []byte) (region, record.Reason) {
	if len(b) < 8 || len(b) > 16 || b[0] != '+' || b[1] == '0' || !areDigits(b[1:]) {
		return 0, record.Malformed
	}
	return assigned(codes.calling[threeDigits(b[1:])])
}

func assigned(r region) (region, record.Reason) {
	if r == noRegion {
		return 0, record.UnknownCode
	}
	return r, record.Decided
}

func isLetter(c byte) bool { return upper(c)-'A' < 26 }

// upper is c in upper case if c is an ASCII letter, and no ASCII letter otherwise.
func upper(c byte) byte { return c &^ 0x20 }

func areDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// threeDigits is the number that the first three digits of b make.
func threeDigits(b []byte) int {
	return int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
}
