package record

// Proof is what a sink has found out about the place that it writes to.
type Proof struct {
	Serial  uint64 // grows with every change of the rest; 0: nothing is known yet
	Cluster string // cluster id of a Kafka sink
	Held    bool   // all of Checks did; a sink never writes before they do, or after one did not
	Checks  []Check
}

// Check is one pin of a sink: what the policy expects and what was seen. Seen is one place; a pin that several
// brokers answered for is there once for each answer.
type Check struct {
	Pin      string // address, cluster_id, directory or tls_spki_sha256; checks stand in this order, then by Seen
	Expected []string
	Seen     string
	Held     bool
}
