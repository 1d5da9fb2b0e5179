package classifier

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
)

func (l *loader) readSinks(section []yaml.Member) {
	l.policy.Sinks = make([]Sink, len(section))
	l.sinkPlaces = make([]sinkPlaces, len(section))
	for i, m := range section {
		name := m.Key.Text
		l.policy.Sinks[i].Name = name
		l.sinkPlaces[i].at = m.Key.At
		switch {
		case !plainName(name):
			l.Fault(m.Key.At, "sink name %q: want letters, digits, dots, dashes and underscores", name)
		case name == "default":
			l.Fault(m.Key.At, "sink name default: quarantine has that word for its own default, choose another")
		}
		l.readSink(i, m)
	}
}

func (l *loader) readSink(i int, m yaml.Member) {
	s, places := &l.policy.Sinks[i], &l.sinkPlaces[i]
	what := "sink " + s.Name
	fields, ok := l.Fields(m.Value, what, "location", "accepts", "codec", "kafka", "file", "pins", "unpinned")
	if !ok {
		places.acceptsUnknown = true
		return
	}
	if f, ok := fields["location"]; ok {
		s.Location, places.located = l.location(f, what)
	} else {
		l.Fault(places.at, "%s has no location: write its country", what)
	}
	if f, ok := fields["accepts"]; ok {
		items, ok := l.TextList(f.Value, "accepts of "+what)
		places.acceptsUnknown = !ok
		for _, item := range items {
			j, ok := l.resolve(item, l.jurisdictions, "accepts of "+what)
			if !ok {
				places.acceptsUnknown = true
				continue
			}
			s.Accepts |= record.One(j.to)
			places.accepts = append(places.accepts, j)
		}
	}
	if f, ok := fields["codec"]; ok {
		s.Codec, ok = l.Text(f.Value, "codec of "+what)
		if ok && !slices.Contains(Codecs(), s.Codec) {
			l.Fault(f.Value.At, "codec %q of %s: want one of %s", s.Codec, what, strings.Join(Codecs(), ", "))
		}
	}
	l.readPlace(s, m, fields)
}

// readPlace reads the one place that a sink is, and the pins that a Kafka sink needs.
func (l *loader) readPlace(s *Sink, m yaml.Member, fields map[string]yaml.Member) {
	what := "sink " + s.Name
	kafka, isKafka := fields["kafka"]
	file, isFile := fields["file"]
	pins, hasPins := fields["pins"]
	unpinned, saysUnpinned := fields["unpinned"]
	switch {
	case isKafka && isFile:
		second := file.Key.At
		if kafka.Key.At.Compare(second) > 0 {
			second = kafka.Key.At
		}
		l.Fault(second, "%s has both kafka and file: want one place", what)
	case !isKafka && !isFile:
		l.Fault(m.Key.At, "%s has no place: write kafka or file", what)
	}
	if isKafka {
		s.Kafka = l.kafkaPlace(kafka, what)
	}
	if isFile {
		s.File = l.filePlace(file, what)
	}
	written := map[string]yaml.Member{}
	if hasPins {
		s.Pins, written = l.pins(pins, what)
	}
	if saysUnpinned {
		s.Unpinned = l.isTrue(unpinned.Value, "unpinned of "+what)
	}
	if isFile && !isKafka {
		for _, f := range []yaml.Member{pins, unpinned} {
			if f.Key.Text != "" {
				l.Fault(f.Key.At, "%s of %s: only a kafka sink has it", f.Key.Text, what)
			}
		}
	}
	if !isKafka || saysUnpinned {
		return
	}
	_, cluster := written["cluster_id"]
	_, keys := written["tls_spki_sha256"]
	_, addresses := written["addresses"]
	if !cluster || !keys && !addresses {
		l.Fault(m.Key.At, "%s is not pinned: write pins with cluster_id and one of tls_spki_sha256, addresses; or write unpinned: true, which every claim will show", what)
	}
}

func (l *loader) location(m yaml.Member, what string) (Location, bool) {
	var at Location
	fields, ok := l.Fields(m.Value, "location of "+what, "country", "region", "operator")
	if !ok {
		return at, false
	}
	located := false
	if f, ok := fields["country"]; ok {
		at.Country, located = l.country(f.Value, "country of "+what)
	} else {
		l.Fault(m.Key.At, "location of %s has no country: write its ISO 3166-1 code", what)
	}
	if f, ok := fields["region"]; ok {
		at.Region, _ = l.Text(f.Value, "region of "+what)
	}
	if f, ok := fields["operator"]; ok {
		at.Operator, _ = l.Text(f.Value, "operator of "+what)
	}
	return at, located
}

func (l *loader) kafkaPlace(m yaml.Member, what string) *KafkaPlace {
	place := &KafkaPlace{}
	fields, ok := l.Fields(m.Value, "kafka of "+what, "brokers", "topic", "partitions")
	if !ok {
		return place
	}
	if f, ok := fields["brokers"]; ok {
		brokers, _ := l.TextList(f.Value, "brokers of "+what)
		for _, b := range brokers {
			broker, ok := hostPort(b.Text)
			if !ok {
				l.Fault(b.At, "broker %q of %s: want HOST:PORT", b.Text, what)
			}
			place.Brokers = append(place.Brokers, broker)
		}
	} else {
		l.Fault(m.Key.At, "kafka of %s has no brokers: list them as HOST:PORT", what)
	}
	if f, ok := fields["topic"]; ok {
		place.Topic, ok = l.Text(f.Value, "topic of "+what)
		if ok && !record.IsTopic(place.Topic) {
			l.Fault(f.Value.At, "topic %q of %s: Kafka wants 1 to 249 ASCII letters, digits, dots, dashes and underscores", place.Topic, what)
		}
	} else {
		l.Fault(m.Key.At, "kafka of %s has no topic: write it", what)
	}
	if f, ok := fields["partitions"]; ok {
		place.Partitions, _ = l.integer(f.Value, "partitions of "+what)
	}
	return place
}

func (l *loader) filePlace(m yaml.Member, what string) *FilePlace {
	place := &FilePlace{}
	fields, ok := l.Fields(m.Value, "file of "+what, "dir")
	if !ok {
		return place
	}
	if f, ok := fields["dir"]; ok {
		place.Dir, _ = l.Text(f.Value, "dir of "+what)
	} // an unknown key is the only other one, and reported
	return place
}

// pins reads the checks that a sink is its place. It also returns those that are written, readable or not.
func (l *loader) pins(m yaml.Member, what string) (Pins, map[string]yaml.Member) {
	var pins Pins
	fields, ok := l.Fields(m.Value, "pins of "+what, "cluster_id", "tls_spki_sha256", "addresses")
	if !ok {
		return pins, nil
	}
	if f, ok := fields["cluster_id"]; ok {
		pins.ClusterID, _ = l.Text(f.Value, "cluster_id of "+what)
	}
	if f, ok := fields["tls_spki_sha256"]; ok {
		keys, _ := l.TextList(f.Value, "tls_spki_sha256 of "+what)
		for _, k := range keys {
			digest, err := base64.StdEncoding.Strict().DecodeString(k.Text)
			if err != nil || len(digest) != sha256.Size || strings.ContainsAny(k.Text, "\r\n") {
				l.Fault(k.At, "tls_spki_sha256 %q of %s: want a SHA-256 in base64, 44 characters", k.Text, what)
			}
			pins.TLSSPKISHA256 = append(pins.TLSSPKISHA256, k.Text)
		}
	}
	if f, ok := fields["addresses"]; ok {
		addresses, _ := l.TextList(f.Value, "addresses of "+what)
		for _, a := range addresses {
			prefix, err := addressPin(a.Text)
			if err != nil {
				l.Fault(a.At, "address %q of %s: %v", a.Text, what, err)
			}
			pins.Addresses = append(pins.Addresses, prefix)
		}
	}
	return pins, fields
}

// addressPin reads a CIDR prefix whose bits past its length are zero, or one address, which is a prefix of all its
// bits.
func addressPin(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("want an address or a CIDR prefix such as 10.0.0.0/8 or 2001:db8::/32")
	case prefix.Addr().Is4In6():
		return "", fmt.Errorf("want an IPv4 prefix written as IPv4")
	case prefix != prefix.Masked():
		return "", fmt.Errorf("bits past the prefix length are set, did you mean %s?", prefix.Masked())
	}
	return prefix.String(), nil
}

// kafkaPort is where brokers listen unless told otherwise, and what clients take where none is written.
const kafkaPort = "9092"

// hostPort is a broker with its port.
func hostPort(broker string) (string, bool) {
	host, port, err := net.SplitHostPort(broker)
	if err != nil && !strings.Contains(broker, ":") {
		host, port, err = broker, kafkaPort, nil
	}
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/@,") {
		return "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return net.JoinHostPort(host, port), err == nil && n > 0
}
