package sinks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/wire"
)

// authority issues certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = sign(t, template, template, &a.key.PublicKey, a.key)
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate and the pin of its key.
func (a *authority) issue(t *testing.T, until time.Time) (*tls.Certificate, [32]byte) {
	t.Helper()
	key := newKey(t)
	leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
}

// serving gives a server's settings whose certificate can be exchanged.
func serving(current *atomic.Pointer[tls.Certificate]) *tls.Config {
	return &tls.Config{
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
		SessionTicketsDisabled: true,
	}
}

func TestOpenChecksPins(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	cert, pin := ca.issue(t, time.Now().Add(time.Hour))
	expired, expiredPin := ca.issue(t, time.Now().Add(-time.Minute))
	other := sha256.Sum256([]byte("another key"))
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, tc := range []struct {
		name   string
		cert   *tls.Certificate // nil: plaintext
		change func(*KafkaConfig)
		want   []Check
		seen   string
	}{
		{"all hold", cert, func(c *KafkaConfig) {
			c.Pins = Pins{ClusterID: clusterID, TLSSPKISHA256: [][32]byte{other, pin}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), loopback}}
		}, nil, ""},
		{"no pins", nil, func(c *KafkaConfig) { c.Pins = Pins{} }, nil, ""},
		{"other cluster", nil, func(c *KafkaConfig) { c.Pins.ClusterID = "cluster-eu" }, []Check{CheckClusterID}, clusterID},
		{"other address", nil, func(c *KafkaConfig) { c.Pins.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, []Check{CheckAddress}, "127.0.0.1"},
		{"other key", cert, func(c *KafkaConfig) { c.Pins.TLSSPKISHA256 = [][32]byte{other} }, []Check{CheckTLSKey}, base64.StdEncoding.EncodeToString(pin[:])},
		{"other key of an unknown authority", cert, func(c *KafkaConfig) {
			c.TLS.RootCAs = foreign.pool
			c.Pins.TLSSPKISHA256 = [][32]byte{other}
		}, []Check{CheckTLSKey}, base64.StdEncoding.EncodeToString(pin[:])},
		{"right key, unknown authority", cert, func(c *KafkaConfig) {
			c.TLS.RootCAs = foreign.pool
			c.Pins.TLSSPKISHA256 = [][32]byte{pin}
		}, []Check{CheckCertificate}, "unknown authority"},
		{"right key, out of date", expired, func(c *KafkaConfig) { c.Pins.TLSSPKISHA256 = [][32]byte{expiredPin} }, []Check{CheckCertificate}, "expired"},
		{"a key is pinned and there is no TLS", nil, func(c *KafkaConfig) { c.Pins.TLSSPKISHA256 = [][32]byte{pin} }, []Check{CheckConfig}, "plaintext"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var opts []kfake.Opt
			if tc.cert != nil {
				var current atomic.Pointer[tls.Certificate]
				current.Store(tc.cert)
				opts = append(opts, kfake.TLS(serving(&current)))
			}
			c := newCluster(t, opts...)
			cfg := kafkaConfig(c.ListenAddrs()...)
			if tc.cert != nil {
				cfg.TLS = &tls.Config{RootCAs: ca.pool}
			}
			tc.change(&cfg)
			k := NewKafka(cfg)
			var refused *RefusedError
			err := k.Open(t.Context())
			if diff := cmp.Diff(tc.want, refusedFor(err)); diff != "" {
				t.Fatalf("Open = %v (-want +got):\n%s", err, diff)
			}
			if tc.want != nil && !strings.Contains(err.Error(), tc.seen) {
				t.Errorf("error %q does not name %q", err, tc.seen)
			}
			if pinned := err != nil && errors.As(err, &refused) && refused.Pinned(); pinned {
				b := newBatch(t, from(0), wire.None, "a")
				k.Deliver(t.Context(), 0, b)
				if s := outcome(t, b); !errors.Is(s.err, err) || k.State().Status != Stopped || retries(cfg.Metrics, CausePin) != 1 {
					t.Errorf("another place: settled with %v, state %v", s.err, k.State())
				}
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenCannotFindOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	for name, cfg := range map[string]KafkaConfig{
		"nobody listens":    kafkaConfig(dead),
		"no such name":      kafkaConfig("broker.invalid:9092"),
		"no port":           kafkaConfig("127.0.0.1"),
		"port is no number": kafkaConfig("127.0.0.1:kafka"),
		"TLS to plaintext": func() KafkaConfig {
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.TLS, cfg.DialTimeout = &tls.Config{}, 100*time.Millisecond
			return cfg
		}(),
	} {
		if err := NewKafka(cfg).Open(t.Context()); err == nil || refusedFor(err) != nil {
			t.Errorf("%s: Open = %v, want an error that is no refusal", name, err)
		}
	}
	// One broker that answers is enough.
	openKafka(t, kafkaConfig(dead, c.ListenAddrs()[0]))
}

// TestPinsOnLaterConnections: what was right at the start is another place on a later connection.
func TestPinsOnLaterConnections(t *testing.T) {
	ca := newAuthority(t)
	right, pin := ca.issue(t, time.Now().Add(time.Hour))
	wrong, wrongPin := ca.issue(t, time.Now().Add(time.Hour))
	for _, tc := range []struct {
		name           string
		change         func(t *testing.T, c *kfake.Cluster, current *atomic.Pointer[tls.Certificate]) *kfake.Cluster
		expected, seen string
	}{
		{"another cluster behind the address", func(t *testing.T, c *kfake.Cluster, current *atomic.Pointer[tls.Certificate]) *kfake.Cluster {
			_, port, err := net.SplitHostPort(c.ListenAddrs()[0])
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			return newCluster(t, kfake.ClusterID("cluster-eu"), kfake.Ports(atoi(t, port)), kfake.SeedTopics(1, topic), kfake.TLS(serving(current)))
		}, clusterID, "cluster-eu"},
		{"another key", func(t *testing.T, c *kfake.Cluster, current *atomic.Pointer[tls.Certificate]) *kfake.Cluster {
			current.Store(wrong)
			return c
		}, base64.StdEncoding.EncodeToString(pin[:]), base64.StdEncoding.EncodeToString(wrongPin[:])},
		{"a discovered broker elsewhere", func(t *testing.T, c *kfake.Cluster, _ *atomic.Pointer[tls.Certificate]) *kfake.Cluster {
			advertise(c, "127.0.0.2")
			return c
		}, "127.0.0.1/32", "127.0.0.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var current atomic.Pointer[tls.Certificate]
			current.Store(right)
			c := newCluster(t, kfake.SeedTopics(1, topic), kfake.TLS(serving(&current)))
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.TLS = &tls.Config{RootCAs: ca.pool}
			cfg.Pins = Pins{ClusterID: clusterID, TLSSPKISHA256: [][32]byte{pin}, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
			k := openKafka(t, cfg) // the transport has no connection yet: all that follow are later ones
			produced := countProduce(tc.change(t, c, &current))
			ctx := t.Context()
			b := newBatch(t, from(0), wire.None, "a")
			k.Deliver(ctx, 0, b)
			until(t, "the sink is stopped", func() bool { return k.State().Status == Stopped })
			text := k.State().Err
			if !strings.Contains(text, "expected ") || !strings.Contains(text, tc.expected) || !strings.Contains(text, tc.seen) {
				t.Errorf("error = %s", text)
			}
			var refused *RefusedError
			if s := outcome(t, b); !errors.As(s.err, &refused) || !refused.Pinned() {
				t.Errorf("settled with %v", s.err)
			}
			later := newBatch(t, from(0), wire.None, "b")
			k.Deliver(ctx, 0, later)
			outcome(t, later)
			if retries(cfg.Metrics, CausePin) == 0 || k.State().Status != Stopped {
				t.Error("not counted, or not stopped for good")
			}
			if _, err := k.dialer.Dial(t.Context(), "tcp", "192.0.2.1:9092"); !errors.Is(err, k.stopCause()) {
				t.Errorf("a stopped sink dials: %v", err)
			}
			if n := produced.Load(); n != 0 {
				t.Errorf("%d produce requests were sent", n)
			}
		})
	}
}

// advertise makes a cluster name its broker by another host.
func advertise(c *kfake.Cluster, host string) {
	_, port, _ := net.SplitHostPort(c.ListenAddrs()[0])
	p, _ := net.LookupPort("tcp", port)
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		id := clusterID
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		answer.ClusterID = &id
		b := kmsg.NewMetadataResponseBroker()
		b.Host, b.Port = host, int32(p)
		answer.Brokers = append(answer.Brokers, b)
		rt, rp, name := kmsg.NewMetadataResponseTopic(), kmsg.NewMetadataResponseTopicPartition(), topic
		rt.Topic, rt.Partitions = &name, append(rt.Partitions, rp)
		answer.Topics = append(answer.Topics, rt)
		return answer, nil, true
	})
}

// countProduce counts the produce requests that reach a cluster.
func countProduce(c *kfake.Cluster) *atomic.Int32 {
	n := new(atomic.Int32)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		n.Add(1)
		return nil, nil, false
	})
	return n
}

func TestLogin(t *testing.T) {
	mechanism := func(m sasl.Mechanism, err error) sasl.Mechanism {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tc := range []struct {
		name  string
		right sasl.Mechanism
		wrong sasl.Mechanism
	}{
		{"PLAIN", plain.Mechanism{Username: "demarc", Password: "secret"}, plain.Mechanism{Username: "demarc", Password: "no"}},
		{"SCRAM-SHA-256", mechanism(scram.Mechanism(scram.SHA256, "demarc", "secret")), mechanism(scram.Mechanism(scram.SHA256, "demarc", "no"))},
		{"SCRAM-SHA-512", mechanism(scram.Mechanism(scram.SHA512, "demarc", "secret")), mechanism(scram.Mechanism(scram.SHA512, "demarc", "no"))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ca := newAuthority(t)
			cert, _ := ca.issue(t, time.Now().Add(time.Hour))
			var current atomic.Pointer[tls.Certificate]
			current.Store(cert)
			c := newCluster(t, kfake.TLS(serving(&current)), kfake.EnableSASL(), kfake.Superuser(tc.name, "demarc", "secret"))
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.TLS, cfg.SASL = &tls.Config{RootCAs: ca.pool}, tc.right
			k := openKafka(t, cfg)
			b := newBatch(t, from(0), wire.Zstd, "a")
			k.Deliver(t.Context(), 0, b)
			mustStore(t, b)

			cfg = kafkaConfig(c.ListenAddrs()...)
			cfg.TLS, cfg.SASL = &tls.Config{RootCAs: ca.pool}, tc.wrong
			err := NewKafka(cfg).Open(t.Context())
			if !slices.Equal(refusedFor(err), []Check{CheckLogin}) || strings.Contains(err.Error(), "secret") {
				t.Errorf("wrong password: %v", err)
			}
			cfg.SASL = unknownMechanism{tc.right}
			if err := NewKafka(cfg).Open(t.Context()); !slices.Equal(refusedFor(err), []Check{CheckLogin}) {
				t.Errorf("unknown mechanism: %v", err)
			}
		})
	}
}

type unknownMechanism struct{ sasl.Mechanism }

func (unknownMechanism) Name() string { return "OTHER" }

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	server, _ := ca.issue(t, time.Now().Add(time.Hour))
	client, _ := ca.issue(t, time.Now().Add(time.Hour))
	c := newCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{*server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}))
	cfg := kafkaConfig(c.ListenAddrs()...)
	cfg.TLS = &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{*client}}
	k := openKafka(t, cfg)
	b := newBatch(t, from(0), wire.Zstd, "a")
	k.Deliver(t.Context(), 0, b)
	mustStore(t, b)
	cfg = kafkaConfig(c.ListenAddrs()...)
	cfg.TLS = &tls.Config{RootCAs: ca.pool}
	if err := NewKafka(cfg).Open(t.Context()); err == nil {
		t.Error("opened without a client certificate")
	}
}

// TestGivenVerificationStays: the caller's own check of a connection is asked too.
func TestGivenVerificationStays(t *testing.T) {
	ca := newAuthority(t)
	cert, pin := ca.issue(t, time.Now().Add(time.Hour))
	c := newCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{*cert}}))
	cfg := kafkaConfig(c.ListenAddrs()...)
	no := errors.New("not this one")
	cfg.Pins.TLSSPKISHA256 = [][32]byte{pin}
	cfg.TLS = &tls.Config{RootCAs: ca.pool, VerifyConnection: func(tls.ConnectionState) error { return no }}
	if err := NewKafka(cfg).Open(t.Context()); !errors.Is(err, no) {
		t.Errorf("Open = %v", err)
	}
}

func TestParseSPKIPin(t *testing.T) {
	sum := sha256.Sum256([]byte("x"))
	got, err := ParseSPKIPin(base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil || got != sum {
		t.Errorf("ParseSPKIPin = %x, %v", got, err)
	}
	for _, bad := range []string{"", "AAAA", "not base64", base64.RawStdEncoding.EncodeToString(sum[:])} {
		if _, err := ParseSPKIPin(bad); err == nil {
			t.Errorf("ParseSPKIPin(%q) is taken", bad)
		}
	}
}

func TestAddressPinsUnmap(t *testing.T) {
	p := Pins{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "11.0.0.1": false, "2001:db8::1": true, "::1": false} {
		if got := p.allow(netip.MustParseAddr(addr)); got != want {
			t.Errorf("allow(%s) = %v", addr, got)
		}
	}
}
