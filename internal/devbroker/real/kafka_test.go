//go:build real

package real

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/demarc/demarc/internal/devbroker"
)

func startAll(t *testing.T, options ...Options) []*Cluster {
	t.Helper()
	clusters, err := StartAll(t.Context(), t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters {
		t.Cleanup(func() {
			if err := c.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	return clusters
}

func create(t *testing.T, c *Cluster, partitions int32, config map[string]string, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		if err := c.CreateTopic(t.Context(), topic, partitions, config); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartNamesAMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), t.TempDir(), Options{})
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "java") {
		t.Errorf("without a PATH: %v", err)
	}
}

func TestStartShowsWhatTheBrokerSays(t *testing.T) {
	_, err := Start(t.Context(), t.TempDir(), Options{Config: map[string]string{"log.dirs": "/proc/no"}})
	if err == nil || !strings.Contains(err.Error(), "/proc/no") {
		t.Errorf("with an impossible folder: %v", err)
	}
}

func TestTwoClustersWithTheirOwnIDsSettingsAndTopics(t *testing.T) {
	us, eu := RandomID(), RandomID()
	clusters := startAll(t, Options{ClusterID: us}, Options{ClusterID: eu, Config: map[string]string{
		"message.max.bytes": "2000", "log.message.timestamp.type": "LogAppendTime",
	}})
	for i, want := range []string{us, eu} {
		if clusters[i].ID != want {
			t.Errorf("cluster %d has id %s, want %s", i, clusters[i].ID, want)
		}
		create(t, clusters[i], 2, nil, "events")
	}
	uncompressed := kgo.ProducerBatchCompression(kgo.NoCompression())
	long := &kgo.Record{Topic: "events", Value: bytes.Repeat([]byte("x"), 3000)}
	if err := devbroker.Produce(t.Context(), clusters[0].Brokers, []*kgo.Record{long}, uncompressed); err != nil {
		t.Errorf("write 3,000 bytes to the first: %v", err)
	}
	again := &kgo.Record{Topic: "events", Value: long.Value}
	if err := devbroker.Produce(t.Context(), clusters[1].Brokers, []*kgo.Record{again}, uncompressed); err == nil {
		t.Error("the second takes 3,000 bytes in spite of message.max.bytes")
	}
	old := &kgo.Record{Topic: "events", Value: []byte("old"), Timestamp: time.UnixMilli(1_000_000)}
	if err := devbroker.Produce(t.Context(), clusters[1].Brokers, []*kgo.Record{old}); err != nil {
		t.Fatal(err)
	}
	got, err := devbroker.ReadAll(t.Context(), clusters[1].Brokers, "events")
	if err != nil || len(got) != 1 || time.Since(got[0].Timestamp) > time.Hour {
		t.Errorf("read %d records, %v; want one with the time of its arrival", len(got), err)
	}
	if err := clusters[0].DeleteTopics(t.Context(), "events"); err != nil {
		t.Error(err)
	}
	if err := clusters[0].Stop(); err != nil {
		t.Error(err)
	}
}

func TestKillPauseAndRestartKeepTheData(t *testing.T) {
	c := startAll(t, Options{})[0]
	create(t, c, 1, nil, "events")
	write := func() error {
		return devbroker.Produce(t.Context(), c.Brokers, []*kgo.Record{{Topic: "events", Value: []byte("v")}})
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", c.Brokers[0]); err == nil {
		conn.Close()
		t.Error("a killed broker still listens")
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	// A paused broker answers nothing: the write ends only after Continue.
	written := make(chan error)
	go func() { written <- write() }()
	deaf, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Count(deaf, "events"); err == nil {
		t.Error("a paused broker answers")
	}
	if err := c.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if n, err := c.Count(t.Context(), "events"); n != 2 || err != nil {
		t.Errorf("%d records, %v; want 2", n, err)
	}
}

func TestSecureListener(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	known, err := authority.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	nameless, stranger := known.Clone(), known.Clone()
	nameless.Certificates, stranger.RootCAs = nil, x509.NewCertPool()
	alice := scram.Auth{User: "alice", Pass: "wonder"}
	type try struct {
		name string
		opts []kgo.Opt
		ok   bool
	}
	listeners := []struct {
		name    string
		options Options
		tries   []try
	}{
		{"SASL", Options{Users: map[string]string{"alice": "wonder", "bob": "builder"}}, []try{
			{"PLAIN", []kgo.Opt{kgo.SASL(plain.Auth{User: "bob", Pass: "builder"}.AsMechanism())}, true},
			{"SCRAM", []kgo.Opt{kgo.SASL(alice.AsSha512Mechanism())}, true},
			{"wrong password", []kgo.Opt{kgo.SASL(scram.Auth{User: "alice", Pass: "rabbit"}.AsSha256Mechanism())}, false},
			{"no user", nil, false},
		}},
		{"SASL over TLS", Options{Users: map[string]string{"alice": "wonder"}, TLS: authority}, []try{
			{"SCRAM", []kgo.Opt{kgo.SASL(alice.AsSha256Mechanism()), kgo.DialTLSConfig(nameless)}, true},
			{"unknown authority", []kgo.Opt{kgo.SASL(alice.AsSha256Mechanism()), kgo.DialTLSConfig(stranger)}, false},
		}},
		{"mutual TLS", Options{TLS: authority, Mutual: true}, []try{
			{"with a certificate", []kgo.Opt{kgo.DialTLSConfig(known)}, true},
			{"without", []kgo.Opt{kgo.DialTLSConfig(nameless)}, false},
		}},
	}
	var options []Options
	for _, l := range listeners {
		options = append(options, l.options)
	}
	clusters := startAll(t, options...)
	for i, listener := range listeners {
		t.Run(listener.name, func(t *testing.T) {
			c := clusters[i]
			if (c.Pin != "") != (listener.options.TLS != nil) {
				t.Errorf("pin is %q", c.Pin)
			}
			for _, try := range listener.tries {
				if err := ask(t.Context(), c.Secure, try.opts); (err == nil) != try.ok {
					t.Errorf("%s: %v, want success %v", try.name, err, try.ok)
				}
			}
		})
	}
}

// ask connects to the brokers and asks for something.
func ask(ctx context.Context, brokers []string, opts []kgo.Opt) error {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...), kgo.RequestRetries(0))...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return client.Ping(ctx)
}

func TestBothReadersAreExact(t *testing.T) {
	c := startAll(t, Options{})[0]
	create(t, c, 1, nil, "odd")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	records := []*kgo.Record{
		{Key: nil, Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Key: every, Value: append(every, every...)},
		{Key: []byte("k\n"), Value: []byte("0 0 0 0 0\n"), Headers: []kgo.RecordHeader{{Key: "a", Value: every[1:]}, {Key: "b"}, {Key: "a", Value: []byte{1, 0}}}},
		{Key: []byte("big"), Value: bytes.Repeat([]byte("/\n"), 200_000), Headers: []kgo.RecordHeader{{Key: "", Value: bytes.Repeat([]byte("/\n"), 1000)}}},
		{Key: []byte("last"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "x", Value: []byte("y")}}},
	}
	for i, r := range records {
		r.Topic, r.Timestamp = "odd", time.UnixMilli(1_700_000_000_000+int64(i))
	}
	if err := devbroker.Produce(t.Context(), c.Brokers, records); err != nil {
		t.Fatal(err)
	}
	readers := map[string]struct {
		read    func(context.Context, []string, string, func(*Read) error) error
		headers []string
	}{
		"kcat":     {Kcat, []string{"", "", "", "a=" + string(every[1:]) + ",b=NULL,a=\x01", "=" + strings.Repeat("/\n", 1000), "x=y"}},
		"franz-go": {Franz, []string{"", "", "", `"a"=` + quoted(every[1:]) + `,"b"=null,"a"="\x01\x00"`, `""="` + strings.Repeat(`/\n`, 1000) + `"`, `"x"="y"`}},
	}
	for name, reader := range readers {
		t.Run(name, func(t *testing.T) {
			next := 0
			err := reader.read(t.Context(), c.Brokers, "odd", func(r *Read) error {
				want := records[next]
				if diff := cmp.Diff([][]byte{want.Key, want.Value, []byte(reader.headers[next])}, [][]byte{r.Key, r.Value, append([]byte{}, r.Headers...)}); diff != "" {
					t.Errorf("record %d (-want +got):\n%s", next, diff)
				}
				if r.Time != want.Timestamp.UnixMilli() || r.Offset != int64(next) || r.Topic != "odd" {
					t.Errorf("record %d: time %d, offset %d, topic %s", next, r.Time, r.Offset, r.Topic)
				}
				next++
				return nil
			})
			if err != nil || next != len(records) {
				t.Errorf("read %d records, %v; want %d", next, err, len(records))
			}
			if err := reader.read(t.Context(), c.Brokers, "nowhere", func(*Read) error { return nil }); err == nil {
				t.Error("reading a missing topic succeeds")
			}
			stop := errors.New("stop")
			if err := reader.read(t.Context(), c.Brokers, "odd", func(*Read) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("the callback's error is lost: %v", err)
			}
		})
	}
}
