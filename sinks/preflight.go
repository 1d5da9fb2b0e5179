package sinks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// preflight finds every reason not to use the topic that can be found without writing, and gives what the cluster
// says of itself and of this one topic. It speaks to one broker over a connection of its own, which has passed all
// pins.
func (k *Kafka) preflight(ctx context.Context) (found *metadata.Response, err error) {
	if err := k.checkConfig(); err != nil {
		return nil, err
	}
	conn, err := k.firstBroker(ctx)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(k.cfg.RequestTimeout)); err != nil {
		return nil, err
	}
	unwatch := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if unwatch() {
			_ = conn.Close() // all answers have been read
		} else if err != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
	}()
	found, err = k.checkTopic(conn)
	if err != nil {
		return nil, err
	}
	// From here on all faults are collected, so that they can be mended in one go.
	var faults []error
	for _, check := range []func(*protocol.Conn, metadata.ResponseTopic) error{k.checkCount, k.checkRights, k.checkSettings, k.checkProducer} {
		err := check(conn, found.Topics[0])
		if err != nil && !errors.As(err, new(*RefusedError)) {
			return nil, err
		}
		faults = append(faults, err)
	}
	return found, errors.Join(faults...)
}

func (k *Kafka) refuse(check Check, expected, seen, hint string) error {
	return &RefusedError{Sink: k.cfg.Name, Check: check, Expected: expected, Seen: seen, Hint: hint}
}

func (k *Kafka) checkConfig() error {
	switch {
	case len(k.cfg.Brokers) == 0 || k.cfg.Topic == "":
		return k.refuse(CheckConfig, "brokers and a topic", "none", "write both under kafka: in the policy")
	case len(k.cfg.Pins.TLSSPKISHA256) > 0 && k.cfg.TLS == nil:
		return k.refuse(CheckConfig, "TLS, because the policy pins the TLS key", "a plaintext connection",
			"switch TLS on for this sink, or pin addresses instead")
	}
	return nil
}

// firstBroker connects to the first of the configured brokers that answers.
func (k *Kafka) firstBroker(ctx context.Context) (*protocol.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.DialTimeout)
	defer cancel()
	var failed error
	for _, broker := range k.cfg.Brokers {
		conn, err := k.dialer.connect(ctx, "tcp", broker)
		if err == nil {
			return conn, nil
		}
		if errors.As(err, new(*RefusedError)) {
			return nil, err
		}
		if judge(err).cause == CauseLogin {
			return nil, k.refuse(CheckLogin, broker+" to accept the credentials", err.Error(), "check mechanism, user and password of this sink")
		}
		failed = errors.Join(failed, fmt.Errorf("connect to %s: %w", broker, err))
	}
	return nil, failed
}

// checkTopic asks for the topic, with what the sink's user may do to it. The answer has this topic only.
func (k *Kafka) checkTopic(conn *protocol.Conn) (*metadata.Response, error) {
	m, err := conn.RoundTrip(&metadata.Request{TopicNames: []string{k.cfg.Topic}, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		return nil, fmt.Errorf("ask for topic %s: %w", k.cfg.Topic, err)
	}
	answer := m.(*metadata.Response)
	topics := answer.Topics
	if len(topics) != 1 || topics[0].Name != k.cfg.Topic {
		return nil, fmt.Errorf("ask for topic %s: the broker answers for %d others", k.cfg.Topic, len(topics))
	}
	switch code := kafka.Error(topics[0].ErrorCode); code {
	case 0:
		return answer, nil
	case kafka.UnknownTopicOrPartition:
		return nil, k.refuse(CheckTopic, "topic "+k.cfg.Topic, "no such topic", "run: "+k.createCommand(len(answer.Brokers)))
	case kafka.InvalidTopic:
		return nil, k.refuse(CheckTopic, "a name for a topic", strconv.Quote(k.cfg.Topic), "change topic: in the policy")
	case kafka.TopicAuthorizationFailed:
		return nil, k.refuse(CheckACL, "the right to describe topic "+k.cfg.Topic, code.Title(), "run: "+k.aclCommand())
	default:
		return nil, fmt.Errorf("ask for topic %s: %w", k.cfg.Topic, code)
	}
}

func (k *Kafka) checkCount(_ *protocol.Conn, topic metadata.ResponseTopic) error {
	if k.cfg.Partitions == 0 || k.cfg.Partitions == len(topic.Partitions) {
		return nil
	}
	hint := "correct the number in the policy, or create another topic: partitions cannot be taken away"
	if len(topic.Partitions) < k.cfg.Partitions {
		hint = fmt.Sprintf("run: kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %d", k.cfg.Brokers[0], k.cfg.Topic, k.cfg.Partitions)
	}
	return k.refuse(CheckPartitions, strconv.Itoa(k.cfg.Partitions), strconv.Itoa(len(topic.Partitions)), hint)
}

// Bits of TopicAuthorizedOperations (KIP-430), by the numbers of Kafka's AclOperation.
const (
	mayRead  = 1 << 3
	mayWrite = 1 << 4
	// notTold is the answer of a broker that does not tell; the first produce request finds out.
	notTold = -1 << 31
)

func (k *Kafka) checkRights(_ *protocol.Conn, topic metadata.ResponseTopic) error {
	rights := topic.TopicAuthorizedOperations
	if rights == notTold || rights == 0 { // 0: a version without the field
		return nil
	}
	var missing []string
	if rights&mayWrite == 0 {
		missing = append(missing, "Write")
	}
	if rights&mayRead == 0 { // the first batch of a partition is read back
		missing = append(missing, "Read")
	}
	if len(missing) == 0 {
		return nil
	}
	return k.refuse(CheckACL, "the rights Write and Read on topic "+k.cfg.Topic, "no "+strings.Join(missing, ", no "), "run: "+k.aclCommand())
}

// settings are what a topic must say for its records to stay as they are, byte by byte.
var settings = []struct {
	name, expected string
	good           func(value string) bool
}{
	{"compression.type", "producer", func(v string) bool { return v == "producer" }},
	{"message.timestamp.type", "CreateTime", func(v string) bool { return v == "CreateTime" }},
	{"cleanup.policy", "delete", func(v string) bool { return !strings.Contains(v, "compact") }},
}

const minISR = "min.insync.replicas"

func (k *Kafka) checkSettings(conn *protocol.Conn, topic metadata.ResponseTopic) error {
	const topicResource = 2
	m, err := conn.RoundTrip(&describeconfigs.Request{Resources: []describeconfigs.RequestResource{{
		ResourceType: topicResource, ResourceName: k.cfg.Topic,
		ConfigNames: []string{"compression.type", "message.timestamp.type", "cleanup.policy", minISR},
	}}})
	if err != nil {
		return fmt.Errorf("describe the settings of topic %s: %w", k.cfg.Topic, err)
	}
	answers := m.(*describeconfigs.Response).Resources
	if len(answers) != 1 {
		return fmt.Errorf("describe the settings of topic %s: %d answers", k.cfg.Topic, len(answers))
	}
	switch code := kafka.Error(answers[0].ErrorCode); code {
	case 0:
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return k.refuse(CheckACL, "the right DescribeConfigs on topic "+k.cfg.Topic, code.Title(), "run: "+k.aclCommand())
	default:
		return fmt.Errorf("describe the settings of topic %s: %w", k.cfg.Topic, code)
	}
	seen := map[string]string{}
	for _, e := range answers[0].ConfigEntries {
		seen[e.ConfigName] = e.ConfigValue
	}
	var faults []error
	for _, s := range settings {
		value, told := seen[s.name]
		if told && s.good(value) {
			continue
		}
		if !told {
			value = "nothing: the broker does not tell"
		}
		faults = append(faults, k.refuse(CheckTopicConfig, s.name+"="+s.expected, value, "run: "+k.configCommand(s.name, s.expected)))
	}
	return errors.Join(append(faults, k.checkReplicas(topic, seen[minISR]))...)
}

// checkReplicas compares min.insync.replicas with the replicas there are. Where it is 1 an acknowledged record
// may be on one broker only: lawful, but worth a word.
func (k *Kafka) checkReplicas(topic metadata.ResponseTopic, value string) error {
	least, err := strconv.Atoi(value)
	if err != nil {
		return nil // not told: then the broker answers with errors when there are too few
	}
	for _, p := range topic.Partitions {
		if len(p.ReplicaNodes) < least {
			return k.refuse(CheckTopicConfig, fmt.Sprintf("%s of at most %d, the replicas of partition %d", minISR, len(p.ReplicaNodes), p.PartitionIndex),
				value, "no batch would ever be acknowledged; run: "+k.configCommand(minISR, strconv.Itoa(len(p.ReplicaNodes))))
		}
	}
	if least == 1 {
		k.tracker.log.Warn("sink acknowledges a record when one broker has it", "topic", k.cfg.Topic, minISR, least)
	}
	return nil
}

// checkProducer gets a producer id and does not use it. Errors that pass are left to the first delivery.
func (k *Kafka) checkProducer(conn *protocol.Conn, _ metadata.ResponseTopic) error {
	m, err := conn.RoundTrip(noProducer())
	if err != nil {
		return fmt.Errorf("get producer id: %w", err)
	}
	code := kafka.Error(m.(*initproducerid.Response).ErrorCode)
	if judgeCode(code).cause != CauseACL {
		return nil
	}
	return k.refuse(CheckACL, "the right to write idempotently", code.Title(),
		"run: "+k.aclCommand()+" (before Kafka 2.8 also: --cluster --operation IdempotentWrite)")
}

func (k *Kafka) createCommand(brokers int) string {
	replicas := min(max(brokers, 1), 3)
	return fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --replication-factor %d"+
		" --config compression.type=producer --config message.timestamp.type=CreateTime --config cleanup.policy=delete --config min.insync.replicas=%d",
		k.cfg.Brokers[0], k.cfg.Topic, max(k.cfg.Partitions, 1), replicas, max(replicas-1, 1))
}

func (k *Kafka) configCommand(name, value string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s",
		k.cfg.Brokers[0], k.cfg.Topic, name, value)
}

func (k *Kafka) aclCommand() string {
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:NAME --topic %s"+
		" --operation Describe --operation DescribeConfigs --operation Read --operation Write", k.cfg.Brokers[0], k.cfg.Topic)
}
