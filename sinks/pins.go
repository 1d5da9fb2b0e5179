package sinks

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
)

// Pins say how a Kafka sink is recognised. Every pin that is set must hold on every connection.
type Pins struct {
	ClusterID     string         // as the broker's metadata gives it
	TLSSPKISHA256 [][32]byte     // SHA-256 of the leaf's SubjectPublicKeyInfo (RFC 7469), any one of them; adds to the normal verification
	Addresses     []netip.Prefix // only addresses inside any one of them are dialled
}

// ParseSPKIPin reads the base64 form of a TLS key pin (RFC 7469, section 2.4).
func ParseSPKIPin(s string) ([32]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != sha256.Size {
		return [32]byte{}, fmt.Errorf("read TLS key pin %q: not the base64 of 32 bytes", s)
	}
	return [32]byte(raw), nil
}

func encodeSPKI(sum [32]byte) string { return base64.StdEncoding.EncodeToString(sum[:]) }

// dialer makes the connections of one sink, those to discovered brokers included. What it returns has been
// checked against all pins, over that very connection, so nothing that was asked elsewhere or earlier has to be
// trusted: a broker that was replaced behind its address is noticed before a record is sent. The price is one
// or two round trips per connection.
type dialer struct {
	sink     string
	pins     Pins
	tls      *tls.Config // nil: plaintext
	sasl     sasl.Mechanism
	clientID string
	stopped  func() error        // a reason to dial nobody any more
	mismatch func(*RefusedError) // told of every connection that a pin refuses
	proof    *proof              // told of every pin that was checked
}

// Dial has the form of kafka.Transport.Dial. The transport's own TLS and SASL must be left unset.
func (d *dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if cause := d.stopped(); cause != nil {
		return nil, cause // the wrong place is not to be shown the password again and again
	}
	conn, err := d.connect(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	if r, ok := errors.AsType[*RefusedError](err); ok && r.Pinned() {
		d.mismatch(r)
	}
	return nil, fmt.Errorf("connect to %s: %w", address, err)
}

// connect makes a connection that has passed all pins, and notes what they have seen.
func (d *dialer) connect(ctx context.Context, network, address string) (*protocol.Conn, error) {
	seen := map[Check]string{}
	conn, err := d.tryConnect(ctx, network, address, seen)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Pinned() {
		d.proof.checked(pinNames[refused.Check], d.pins.expected(refused.Check), refused.Seen, false)
	}
	if err == nil {
		for check, what := range seen {
			d.proof.checked(pinNames[check], d.pins.expected(check), what, true)
		}
	}
	return conn, err
}

func (d *dialer) tryConnect(ctx context.Context, network, address string, seen map[Check]string) (*protocol.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	raw, err := d.reach(ctx, network, host, uint16(port))
	if err != nil {
		return nil, err
	}
	// The deadline covers the handshakes only; the watcher ends them when ctx is cancelled before.
	if deadline, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(deadline) // fails only on a closed connection, which the next read reports
	}
	unwatch := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if len(d.pins.Addresses) > 0 {
		seen[CheckAddress] = remoteIP(raw)
	}
	conn, err := d.greet(ctx, raw, host, int(port), seen)
	if !unwatch() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close() // nothing was written that could be lost
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// reach resolves host and dials exactly one of those of its addresses that the pins allow.
func (d *dialer) reach(ctx context.Context, network, host string, port uint16) (net.Conn, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	allowed := slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !d.pins.allow(a) })
	if len(allowed) == 0 {
		return nil, &RefusedError{
			Sink: d.sink, Check: CheckAddress, Expected: "an address inside " + join(d.pins.Addresses), Seen: host + " = " + join(addrs),
			Hint: "if the sink has moved lawfully, change the pin in the policy and start demarc again",
		}
	}
	var dialer net.Dialer
	var failed error
	for _, a := range allowed {
		conn, err := dialer.DialContext(ctx, network, netip.AddrPortFrom(a.Unmap(), port).String())
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

func (p Pins) allow(a netip.Addr) bool {
	if len(p.Addresses) == 0 {
		return true
	}
	return slices.ContainsFunc(p.Addresses, func(in netip.Prefix) bool { return in.Contains(a.Unmap()) })
}

// greet makes a connection of raw that has done everything a client does before its first request, in this
// order: TLS with the key pin, versions, SASL, cluster id.
func (d *dialer) greet(ctx context.Context, raw net.Conn, host string, port int, seen map[Check]string) (*protocol.Conn, error) {
	if d.tls != nil {
		secured := tls.Client(raw, d.tlsConfig(host, seen))
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, d.explainTLS(err)
		}
		raw = secured
	}
	conn := protocol.NewConn(raw, d.clientID)
	if err := negotiate(conn); err != nil {
		return nil, err
	}
	if d.sasl != nil {
		ctx := sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: port})
		if err := login(ctx, conn, d.sasl); err != nil {
			return nil, fmt.Errorf("log in with %s: %w", d.sasl.Name(), err)
		}
	}
	return conn, d.checkCluster(conn, seen)
}

func remoteIP(conn net.Conn) string {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().String()
	}
	return conn.RemoteAddr().String()
}

// tlsConfig adds the key pin to the given settings. crypto/tls calls VerifyConnection after its own
// verification and before any byte of the application, on resumed sessions too.
func (d *dialer) tlsConfig(host string, seen map[Check]string) *tls.Config {
	c := d.tls.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	given := c.VerifyConnection
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := d.checkKey(cs.PeerCertificates, seen); err != nil {
			return err
		}
		if given != nil {
			return given(cs)
		}
		return nil
	}
	return c
}

func (d *dialer) checkKey(chain []*x509.Certificate, seen map[Check]string) error {
	if len(d.pins.TLSSPKISHA256) == 0 {
		return nil
	}
	key := "no certificate"
	if len(chain) > 0 {
		sum := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
		key = encodeSPKI(sum)
		if slices.Contains(d.pins.TLSSPKISHA256, sum) {
			seen[CheckTLSKey] = key
			return nil
		}
	}
	return &RefusedError{
		Sink: d.sink, Check: CheckTLSKey, Expected: strings.Join(d.pins.expected(CheckTLSKey), " or "), Seen: key,
		Hint: "if the sink's key was changed lawfully, change the pin in the policy and start demarc again",
	}
}

// explainTLS finds out whether a certificate that failed the normal verification also has another key than the
// pins: then it is the pin that differs, whatever else is wrong.
func (d *dialer) explainTLS(err error) error {
	bad, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		return err
	}
	if refused := d.checkKey(bad.UnverifiedCertificates, map[Check]string{}); refused != nil {
		return refused
	}
	return &RefusedError{
		Sink: d.sink, Check: CheckCertificate, Expected: "a certificate that verifies", Seen: bad.Error(),
		Hint: "check the CA file, the server name and the certificate's dates",
	}
}

func negotiate(conn *protocol.Conn) error {
	m, err := conn.RoundTrip(new(apiversions.Request))
	if err != nil {
		return fmt.Errorf("ask for API versions: %w", err)
	}
	answer := m.(*apiversions.Response)
	if answer.ErrorCode != 0 {
		return fmt.Errorf("ask for API versions: %w", kafka.Error(answer.ErrorCode))
	}
	versions := make(map[protocol.ApiKey]int16, len(answer.ApiKeys))
	for _, k := range answer.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	conn.SetVersions(versions)
	return nil
}

func login(ctx context.Context, conn *protocol.Conn, mechanism sasl.Mechanism) error {
	m, err := conn.RoundTrip(&saslhandshake.Request{Mechanism: mechanism.Name()})
	if err != nil {
		return err
	}
	if h := m.(*saslhandshake.Response); h.ErrorCode != 0 {
		return fmt.Errorf("%w (the broker offers %s)", kafka.Error(h.ErrorCode), strings.Join(h.Mechanisms, ", "))
	}
	session, reply, err := mechanism.Start(ctx)
	if err != nil {
		return err
	}
	for done := false; !done; {
		m, err := conn.RoundTrip(&saslauthenticate.Request{AuthBytes: reply})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// Some brokers say no by hanging up, in the midst of an exchange that has no other reason to end.
			return fmt.Errorf("%w: the broker closed the connection", kafka.SASLAuthenticationFailed)
		}
		if err != nil {
			return err
		}
		a := m.(*saslauthenticate.Response)
		if a.ErrorCode != 0 {
			return kafka.Error(a.ErrorCode) // the broker's message may name the user: left out
		}
		if done, reply, err = session.Next(ctx, a.AuthBytes); err != nil {
			return fmt.Errorf("%w: %w", kafka.SASLAuthenticationFailed, err)
		}
	}
	return nil
}

func (d *dialer) checkCluster(conn *protocol.Conn, seen map[Check]string) error {
	if d.pins.ClusterID == "" {
		return nil
	}
	m, err := conn.RoundTrip(&metadata.Request{TopicNames: []string{}})
	if err != nil {
		return fmt.Errorf("ask for the cluster id: %w", err)
	}
	id := m.(*metadata.Response).ClusterID
	if id == d.pins.ClusterID {
		seen[CheckClusterID] = id
		return nil
	}
	return &RefusedError{
		Sink: d.sink, Check: CheckClusterID, Expected: d.pins.ClusterID, Seen: strconv.Quote(id),
		Hint: "if the sink has moved lawfully, change the pin in the policy and start demarc again",
	}
}

func join[T fmt.Stringer](list []T) string {
	var words []string
	for _, x := range list {
		words = append(words, x.String())
	}
	return strings.Join(words, ", ")
}
