package sinks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// StoredTopic is the topic of a Kafka sink, open for reading only. Every connection has passed the sink's pins, those
// to discovered brokers included; nothing is written, and no right but to describe and to read is needed.
type StoredTopic struct {
	Addr       net.Addr           // where Transport begins
	Transport  kafka.RoundTripper // over pinned connections
	Topic      string
	ClusterID  string
	Partitions int32

	transport *kafka.Transport
	mu        sync.Mutex
	refusal   error // of a pin, on any connection
}

// OpenStoredTopic checks the pins and finds the topic. A *RefusedError says that another place answers (Pinned), that
// the topic is not there (CheckTopic), or that it cannot be read as it stands; any other error that it could not be
// found out. Settings that concern writing, Metrics and Log are not looked at. The context bounds the opening.
func OpenStoredTopic(ctx context.Context, cfg KafkaConfig) (*StoredTopic, error) {
	defaults(&cfg.DialTimeout, 10*time.Second)
	defaults(&cfg.RequestTimeout, 30*time.Second)
	defaults(&cfg.MaxRetryBackoff, 3*time.Second)
	t := &StoredTopic{Addr: kafka.TCP(cfg.Brokers...), Topic: cfg.Topic}
	k := &Kafka{cfg: cfg, dialer: &dialer{
		proof: new(proof),
		sink:  cfg.Name, pins: cfg.Pins, tls: cfg.TLS, sasl: cfg.SASL, clientID: cfg.ClientID,
		stopped: t.Refusal, mismatch: t.refuse,
	}}
	if err := t.find(ctx, k); err != nil {
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			return nil, refused
		}
		return nil, fmt.Errorf("open sink %s: %w", cfg.Name, err)
	}
	t.transport = &kafka.Transport{
		Dial: k.dialer.Dial, DialTimeout: cfg.DialTimeout, MetadataTTL: cfg.MaxRetryBackoff,
		MetadataTopics: []string{cfg.Topic}, ClientID: cfg.ClientID,
	}
	t.Transport = t.transport
	return t, nil
}

// find asks one broker for the cluster and the topic.
func (t *StoredTopic) find(ctx context.Context, k *Kafka) error {
	if err := k.checkConfig(); err != nil {
		return err
	}
	conn, err := k.firstBroker(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // all answers have been read
	if err := conn.SetDeadline(time.Now().Add(k.cfg.RequestTimeout)); err != nil {
		return err
	}
	found, err := k.checkTopic(conn)
	if err != nil {
		return err
	}
	t.ClusterID = found.ClusterID
	t.Partitions = int32(len(found.Topics[0].Partitions))
	return nil
}

func (t *StoredTopic) refuse(r *RefusedError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusal = r
}

// Refusal is the *RefusedError of a connection that a pin refused after the opening, nil if there was none.
func (t *StoredTopic) Refusal() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refusal
}

// Close ends the connections.
func (t *StoredTopic) Close() { t.transport.CloseIdleConnections() }

// StoredFiles lists the files of a directory sink, by topic, partition and number: their paths below the directory
// with slashes, by their final names.
func StoredFiles(dir string) ([]string, error) {
	partitions, err := partitionDirs(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, tp := range partitions {
		sealed, unfinished, err := listFiles(filepath.Join(dir, partitionDir(tp)))
		if err != nil {
			return nil, fmt.Errorf("list files: %w", err)
		}
		for _, name := range append(sealed, unfinished...) {
			all = append(all, partitionDir(tp)+"/"+name.file(sealedSuffix))
		}
	}
	return all, nil
}

// UnfinishedSuffix follows the final name of a file while it is being written.
const UnfinishedSuffix = ".part"
