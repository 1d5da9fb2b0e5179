//go:build unix

package real

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// Options says what broker to run. The zero value is a broker with a random cluster id and one listener without
// encryption or authentication.
type Options struct {
	ClusterID string            // 16 bytes in URL-safe base64 without padding; empty: random
	Config    map[string]string // further lines of server.properties, e.g. message.max.bytes

	// The second listener exists if there are users, TLS or both.
	Users  map[string]string // name -> password, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
	TLS    *Authority        // the server's certificate comes from it
	Mutual bool              // the client must show a certificate of the same authority
}

func (o Options) secure() bool { return len(o.Users) > 0 || o.TLS != nil }

func (o Options) protocol() string {
	switch {
	case len(o.Users) > 0 && o.TLS != nil:
		return "SASL_SSL"
	case o.TLS != nil:
		return "SSL"
	}
	return "SASL_PLAINTEXT"
}

// RandomID makes a cluster id.
func RandomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[0] &= 0x7f           // an id that begins with a dash reads like a flag
	return base64.RawURLEncoding.EncodeToString(id[:])
}

type ports struct{ plain, controller, secure int }

// freePorts finds three ports at once, so that they differ.
func freePorts() (p ports, err error) {
	for _, port := range []*int{&p.plain, &p.controller, &p.secure} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return p, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// properties is the text of server.properties.
func (o Options) properties(dir string, p ports) []byte {
	lines := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        "1",
		"controller.quorum.voters":       fmt.Sprintf("1@127.0.0.1:%d", p.controller),
		"controller.listener.names":      "CONTROLLER",
		"listeners":                      fmt.Sprintf("PLAIN://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", p.plain, p.controller),
		"advertised.listeners":           fmt.Sprintf("PLAIN://127.0.0.1:%d", p.plain),
		"listener.security.protocol.map": "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "PLAIN",
		"log.dirs":                       filepath.Join(dir, "data"),
		"auto.create.topics.enable":      "false",
		"log.retention.ms":               "-1", // generated records are old

		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": "1",
		"group.initial.rebalance.delay.ms":                 "0",
	}
	if o.secure() {
		o.addSecureListener(lines, dir, p)
	}
	maps.Copy(lines, o.Config)
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&text, "%s=%s\n", key, lines[key])
	}
	return text.Bytes()
}

func (o Options) addSecureListener(lines map[string]string, dir string, p ports) {
	at := fmt.Sprintf(",SECURE://127.0.0.1:%d", p.secure)
	lines["listeners"] += at
	lines["advertised.listeners"] += at
	lines["listener.security.protocol.map"] += ",SECURE:" + o.protocol()
	const prefix = "listener.name.secure."
	if o.TLS != nil {
		lines[prefix+"ssl.keystore.type"] = "PEM"
		lines[prefix+"ssl.keystore.location"] = filepath.Join(dir, serverPEM)
		lines[prefix+"ssl.truststore.type"] = "PEM"
		lines[prefix+"ssl.truststore.location"] = filepath.Join(dir, caPEM)
		lines[prefix+"ssl.client.auth"] = "none"
		if o.Mutual {
			lines[prefix+"ssl.client.auth"] = "required"
		}
	}
	if len(o.Users) > 0 {
		lines[prefix+"sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
		var users strings.Builder
		for _, name := range slices.Sorted(maps.Keys(o.Users)) {
			fmt.Fprintf(&users, ` user_%s="%s"`, name, o.Users[name])
		}
		const module = "org.apache.kafka.common.security."
		lines[prefix+"plain.sasl.jaas.config"] = module + "plain.PlainLoginModule required" + users.String() + ";"
		for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
			lines[prefix+mechanism+".sasl.jaas.config"] = module + "scram.ScramLoginModule required;"
		}
	}
}

// scram is how the storage tool is told of the users.
func (o Options) scram() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(o.Users)) {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, name, o.Users[name]))
		}
	}
	return args
}
