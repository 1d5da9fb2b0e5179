package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// ErrUnfit is in the chain of errors that say that a topic or a cluster is not fit for its purpose, and what to run.
var ErrUnfit = errors.New("not fit for the ledger")

// purpose is what a topic is for.
type purpose struct {
	word    string
	compact bool // may be compacted
	hint    string
}

var (
	entriesTopic     = purpose{"entries", false, "--config cleanup.policy=delete --config retention.ms=-1 --config retention.bytes=-1"}
	checkpointsTopic = purpose{"checkpoints", true, "--config cleanup.policy=compact"}
)

// minBatch is what a topic must take: the largest batch of entries, with room for its headers.
const minBatch = maxBatch + 128<<10

// preflight finds the reasons not to use a topic that can be found without writing, and returns its partitions.
func (c *cluster) preflight(ctx context.Context, topic string, use purpose) (count int32, err error) {
	if err := c.checkVersions(ctx); err != nil {
		return 0, err
	}
	var meta *kafka.MetadataResponse
	err = c.persist(ctx, func(ctx context.Context) (err error) {
		meta, err = c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the %s topic: %w", use.word, err)
	}
	switch found := meta.Topics[0]; {
	case errors.Is(found.Error, kafka.UnknownTopicOrPartition):
		replicas := min(max(len(meta.Brokers), 1), 3)
		return 0, unfit("%s topic %s: there is none; run: kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --replication-factor %d --config min.insync.replicas=%d %s",
			use.word, topic, c.cfg.Brokers[0], topic, map[bool]int{true: 1, false: 8}[use.compact], replicas, max(replicas-1, 1), use.hint)
	case errors.Is(found.Error, kafka.TopicAuthorizationFailed):
		return 0, unfit("%s topic %s: %w; run: %s", use.word, topic, found.Error, c.aclCommand(topic))
	case found.Error != nil:
		return 0, fmt.Errorf("ask for the %s topic %s: %w", use.word, topic, found.Error)
	default:
		return int32(len(found.Partitions)), c.checkSettings(ctx, found, use)
	}
}

func unfit(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnfit}, args...)...)
}

// checkVersions wants InitProducerId v3: an older broker ignores who asks, and the fence has a hole.
func (c *cluster) checkVersions(ctx context.Context) error {
	var res *kafka.ApiVersionsResponse
	err := c.persist(ctx, func(ctx context.Context) (err error) {
		res, err = c.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{Addr: c.addr})
		if err == nil {
			err = res.Error
		}
		if _, certificate := errors.AsType[*tls.CertificateVerificationError](err); certificate { // a matter of settings, at the start
			err = fmt.Errorf("%w: %w", err, errForGood)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reach the ledger's cluster %s: %w", strings.Join(c.cfg.Brokers, ","), err)
	}
	for _, k := range res.ApiKeys {
		if k.ApiKey == int(protocol.InitProducerId) && k.MaxVersion >= 3 {
			return nil
		}
	}
	return unfit("the brokers at %s are older than Kafka 2.5", strings.Join(c.cfg.Brokers, ","))
}

// checkSettings refuses what loses entries, and warns of what may.
func (c *cluster) checkSettings(ctx context.Context, topic kafka.Topic, use purpose) error {
	var res *kafka.DescribeConfigsResponse
	err := c.persist(ctx, func(ctx context.Context) (err error) {
		res, err = c.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Name,
			ConfigNames: []string{"cleanup.policy", "retention.ms", "retention.bytes", "max.message.bytes", "min.insync.replicas"},
		}}})
		if err == nil && len(res.Resources) != 1 {
			err = fmt.Errorf("%d answers: %w", len(res.Resources), errForGood)
		}
		if err == nil {
			err = res.Resources[0].Error
		}
		return err
	})
	if errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed) {
		return unfit("%s topic %s: %w; run: %s", use.word, topic.Name, err, c.aclCommand(topic.Name))
	}
	if err != nil {
		return fmt.Errorf("describe the settings of topic %s: %w", topic.Name, err)
	}
	set := map[string]string{}
	for _, e := range res.Resources[0].ConfigEntries {
		set[e.ConfigName] = e.ConfigValue
	}
	compacts := strings.Contains(set["cleanup.policy"], "compact")
	if compacts && !use.compact {
		return unfit("%s topic %s: cleanup.policy=%s would delete all but the last entry of each partition; run: %s",
			use.word, topic.Name, set["cleanup.policy"], c.configCommand(topic.Name, "cleanup.policy=delete"))
	}
	if n, err := strconv.Atoi(set["max.message.bytes"]); err == nil && n < minBatch {
		return unfit("%s topic %s: max.message.bytes=%d, want at least %d; run: %s", use.word, topic.Name, n, minBatch,
			c.configCommand(topic.Name, "max.message.bytes=1048588"))
	}
	expires := slices.ContainsFunc([]string{"retention.ms", "retention.bytes"}, func(name string) bool { return set[name] != "" && set[name] != "-1" })
	if strings.Contains(set["cleanup.policy"], "delete") && expires {
		c.log.Warn("topic of the ledger forgets: records that retention deletes before they are needed stop the ledger",
			"topic", topic.Name, "retention.ms", set["retention.ms"], "retention.bytes", set["retention.bytes"],
			"run", c.configCommand(topic.Name, "retention.ms=-1,retention.bytes=-1"))
	}
	return c.checkReplicas(topic, set["min.insync.replicas"])
}

func (c *cluster) checkReplicas(topic kafka.Topic, value string) error {
	least, err := strconv.Atoi(value)
	if err != nil {
		return nil // not told; then writing fails when there are too few
	}
	for _, p := range topic.Partitions {
		if len(p.Replicas) < least {
			return unfit("topic %s: min.insync.replicas=%d, partition %d has %d replicas: nothing would ever be acknowledged; run: %s",
				topic.Name, least, p.ID, len(p.Replicas), c.configCommand(topic.Name, "min.insync.replicas="+strconv.Itoa(len(p.Replicas))))
		}
	}
	if least == 1 {
		c.log.Warn("topic of the ledger acknowledges a record when one broker has it", "topic", topic.Name, "min.insync.replicas", least)
	}
	return nil
}

func (c *cluster) configCommand(topic, setting string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s", c.cfg.Brokers[0], topic, setting)
}

func (c *cluster) aclCommand(topic string) string {
	return fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:NAME --topic %s --operation Describe --operation DescribeConfigs --operation Read --operation Write"+
		" and the same with --transactional-id demarc- --resource-pattern-type prefixed --operation Describe --operation Write", c.cfg.Brokers[0], topic)
}
