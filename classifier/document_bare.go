package classifier

// bareEnd reads the number or word that begins at doc[i] and returns the place after it, -1 if it is none of
// RFC 8259. What follows is not looked at.
func bareEnd(doc []byte, i int) int {
	if doc[i]-'1' <= 8 { // most are plain integers
		for end := i; len(doc)-end >= 8; end += 8 {
			if marks := nonDigits(load(doc, end)); marks != 0 {
				if end += firstMark(marks); doc[end] == ',' || doc[end] == '}' {
					return end
				}
				break
			}
		}
	}
	switch doc[i] {
	case 't':
		return wordEnd(doc, i, "true")
	case 'f':
		return wordEnd(doc, i, "false")
	case 'n':
		return wordEnd(doc, i, "null")
	}
	return numberEnd(doc, i)
}

func wordEnd(doc []byte, i int, word string) int {
	if len(doc)-i < len(word) || string(doc[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func numberEnd(doc []byte, i int) int {
	if doc[i] == '-' {
		i++
	}
	integer := i
	if i = skipDigits(doc, i); i == integer || (doc[integer] == '0' && i > integer+1) {
		return -1
	}
	if i < len(doc) && doc[i] == '.' {
		fraction := i + 1
		if i = skipDigits(doc, fraction); i == fraction {
			return -1
		}
	}
	if i < len(doc) && doc[i]|0x20 == 'e' {
		i++
		if i < len(doc) && (doc[i] == '+' || doc[i] == '-') {
			i++
		}
		exponent := i
		if i = skipDigits(doc, exponent); i == exponent {
			return -1
		}
	}
	return i
}

func skipDigits(doc []byte, i int) int {
	for i < len(doc) && doc[i]-'0' <= 9 {
		i++
	}
	return i
}

// isBare reports whether c, directly after a bare number or word, would read as more of it.
func isBare(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' < 26 || c == '+' || c == '-' || c == '.' || c == '_'
}
