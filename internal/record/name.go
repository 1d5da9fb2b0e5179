package record

// IsJurisdiction reports whether a jurisdiction may have the name: [A-Z][A-Z0-9_]*. So "none" is no jurisdiction, and
// "+" joins names without doubt.
func IsJurisdiction(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

// IsTopic reports whether Kafka takes the name for a topic (org.apache.kafka.common.internals.Topic.validate). With a
// partition behind it, it is also safe as the name of a directory.
func IsTopic(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= 249 && name != "." && name != ".."
}
