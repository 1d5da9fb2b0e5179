package sinks

import "strings"

// Check names what a sink is compared in. The enumeration is closed.
type Check string

const (
	CheckConfig      Check = "config"          // the sink's own settings
	CheckClusterID   Check = "cluster_id"      // pin
	CheckTLSKey      Check = "tls_spki_sha256" // pin
	CheckAddress     Check = "addresses"       // pin
	CheckLogin       Check = "authentication"  // SASL
	CheckTopic       Check = "topic"           // it exists and may be described
	CheckPartitions  Check = "partitions"      // their count
	CheckTopicConfig Check = "topic_config"    // compression, cleanup, timestamps, replicas
	CheckACL         Check = "acl"             // what the sink must be allowed to do
	CheckReadBack    Check = "read_back"       // the first batch of a partition, read back, is what was sent
	CheckDirectory   Check = "directory"       // of a file sink
	CheckCertificate Check = "tls_certificate" // chain, name, validity
)

// RefusedError says that a sink is not what the policy says it is, which stops it, or cannot be used as it stands:
// then demarc refuses to run (exit 2). Any other error of Open means that it could not be found out (exit 3).
type RefusedError struct {
	Sink     string
	Check    Check
	Expected string
	Seen     string
	Hint     string // what an operator can do: a command to run where there is one
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("check sink " + e.Sink + ": " + string(e.Check) + ": expected " + e.Expected + ", seen " + e.Seen)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Pinned reports whether e is about the identity of the place, which stops a sink at any time.
func (e *RefusedError) Pinned() bool {
	switch e.Check {
	case CheckClusterID, CheckTLSKey, CheckAddress:
		return true
	}
	return false
}
