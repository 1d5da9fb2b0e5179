package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/demarc/demarc/internal/devbroker"
)

// authority is a key that signs its own certificate for 127.0.0.1: server, client and authority in one.
type authority struct {
	pair     tls.Certificate
	pool     *x509.CertPool
	spki     string // the pin
	certFile string
	keyFile  string
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{pool: x509.NewCertPool()}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	a.certFile = write(t, dir, name+".pem", string(certPEM))
	a.keyFile = write(t, dir, name+".key", string(keyPEM))
	if a.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	a.pool.AppendCertsFromPEM(certPEM)
	sum := sha256.Sum256(a.pair.Leaf.RawSubjectPublicKeyInfo)
	a.spki = base64.StdEncoding.EncodeToString(sum[:])
	return a
}

func TestSourceThatRefusesIsConfiguration(t *testing.T) {
	for err, want := range map[error]int{
		kafka.SASLAuthenticationFailed:      exitUsage,
		kafka.UnsupportedSASLMechanism:      exitUsage,
		&tls.CertificateVerificationError{}: exitUsage,
		io.ErrUnexpectedEOF:                 exitUnknown,
		kafka.LeaderNotAvailable:            exitUnknown,
	} {
		if got := sourceCode(fmt.Errorf("metadata: %w", err)); got != want {
			t.Errorf("%v: code %d, want %d", err, got, want)
		}
	}
}

// TestRunWithTLSAndSASL reads from a source with TLS and SCRAM and writes to a sink with mutual TLS, SASL PLAIN
// and a pinned key, all from settings.
func TestRunWithTLSAndSASL(t *testing.T) {
	dir := t.TempDir()
	sourceCA, sinkCA, client := newAuthority(t, dir, "source"), newAuthority(t, dir, "sink"), newAuthority(t, dir, "client")
	start := func(id, topic string, opts ...kfake.Opt) *devbroker.Cluster {
		c, err := devbroker.Start(id, []devbroker.Topic{{Name: topic, Partitions: 1}}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	source := start("source", "events", kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "reader", "hunter2"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{sourceCA.pair}}))
	us := start("us", "events.us", kfake.EnableSASL(), kfake.Superuser("PLAIN", "writer", "hunter3"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{sinkCA.pair}, ClientCAs: client.pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	err := devbroker.Produce(t.Context(), source.Brokers(), []*kgo.Record{
		{Topic: "events", Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "account-country", Value: []byte("US")}}},
	}, kgo.DialTLSConfig(&tls.Config{RootCAs: sourceCA.pool}), kgo.SASL(scram.Auth{User: "reader", Pass: "hunter2"}.AsSha256Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	policy := func(pin string) string {
		return write(t, dir, "policy.yaml", fmt.Sprintf(`version: 1
signals: {account: {header: account-country, as: alpha2}}
jurisdictions: {US: {countries: [US, PR, GU, VI, AS, MP, UM], when: {first: [account]}}}
routes: {US: us-main}
quarantine: {default: us-hold}
sinks:
  us-main:
    location: {country: US, region: us-east-1, operator: aws}
    accepts: [US]
    kafka: {brokers: [%q], topic: events.us}
    pins: {cluster_id: us, tls_spki_sha256: [%q]}
  us-hold: {location: {country: US, region: us-east-1, operator: aws}, file: {dir: %s}}
`, us.Brokers()[0], pin, filepath.Join(dir, "hold")))
	}
	password := write(t, dir, "password", "hunter3\n")
	env := []string{
		"DEMARC_BROKERS=" + source.Brokers()[0], "DEMARC_TOPICS=events", "DEMARC_LISTEN=127.0.0.1:0",
		"DEMARC_TLS=true", "DEMARC_TLS_CA=" + sourceCA.certFile,
		"DEMARC_SASL_MECHANISM=scram-sha-256", "DEMARC_SASL_USER=reader", "DEMARC_SASL_PASSWORD=hunter2",
		"DEMARC_SINK_US_MAIN_TLS=true", "DEMARC_SINK_US_MAIN_TLS_CA=" + sinkCA.certFile,
		"DEMARC_SINK_US_MAIN_TLS_CERT=" + client.certFile, "DEMARC_SINK_US_MAIN_TLS_KEY=" + client.keyFile,
		"DEMARC_SINK_US_MAIN_SASL_MECHANISM=plain", "DEMARC_SINK_US_MAIN_SASL_USER=writer", "DEMARC_SINK_US_MAIN_SASL_PASSWORD_FILE=" + password,
	}
	for _, tc := range []struct {
		name string
		pin  string
		env  []string
		code int
		err  string
	}{
		// The embedded broker hangs up on a wrong password, where Kafka says SASL_AUTHENTICATION_FAILED: exit code 3 for 2.
		{"source: wrong password", sinkCA.spki, []string{"DEMARC_SASL_PASSWORD=wrong"}, 3, "reach source"},
		{"source: unknown authority", sinkCA.spki, []string{"DEMARC_TLS_CA=" + sinkCA.certFile}, 2, "reach source"},
		{"sink: wrong password", sinkCA.spki, []string{"DEMARC_SINK_US_MAIN_SASL_USER=nobody"}, 2, "sink us-main: authentication"},
		{"sink: another key", client.spki, nil, 1, "sink us-main: tls_spki_sha256"},
		{"sink: pinned key without TLS", sinkCA.spki, []string{
			"DEMARC_SINK_US_MAIN_TLS=", "DEMARC_SINK_US_MAIN_TLS_CA=", "DEMARC_SINK_US_MAIN_TLS_CERT=", "DEMARC_SINK_US_MAIN_TLS_KEY=",
		}, 2, "set DEMARC_SINK_US_MAIN_TLS=true"},
		{"all right", sinkCA.spki, nil, 0, "delivered=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := call{args: []string{"run", policy(tc.pin), "--until-end"}, env: append(env, tc.env...)}.run(t)
			if r.code != tc.code || !strings.Contains(r.err, tc.err) {
				t.Errorf("code %d, want %d; want %q in\n%s", r.code, tc.code, tc.err, r.err)
			}
			if strings.Contains(r.err+r.out, "hunter") {
				t.Errorf("output shows a password:\n%s", r.err)
			}
		})
	}
}
