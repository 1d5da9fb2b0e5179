package sinks

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func alter(t *testing.T, c *kfake.Cluster, name, value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answers, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPreflightRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, c *kfake.Cluster, cfg *KafkaConfig)
		want   []Check
		says   []string
	}{
		{"nothing", func(*testing.T, *kfake.Cluster, *KafkaConfig) {}, nil, nil},
		{"no topic", func(_ *testing.T, _ *kfake.Cluster, cfg *KafkaConfig) { cfg.Topic, cfg.Partitions = "none", 6 },
			[]Check{CheckTopic}, []string{"kafka-topics.sh", "--create --topic none --partitions 6 --replication-factor 1", "compression.type=producer"}},
		{"no topic is named", func(_ *testing.T, _ *kfake.Cluster, cfg *KafkaConfig) { cfg.Topic = "" }, []Check{CheckConfig}, nil},
		{"no brokers", func(_ *testing.T, _ *kfake.Cluster, cfg *KafkaConfig) { cfg.Brokers = nil }, []Check{CheckConfig}, nil},
		{"invalid topic", func(_ *testing.T, c *kfake.Cluster, cfg *KafkaConfig) {
			answerMetadata(c, cfg.Topic, kerr.InvalidTopicException.Code)
		}, []Check{CheckTopic}, []string{`"events.us"`}},
		{"too few partitions", func(_ *testing.T, _ *kfake.Cluster, cfg *KafkaConfig) { cfg.Partitions = 3 },
			[]Check{CheckPartitions}, []string{"expected 3, seen 2", "--alter --topic events.us --partitions 3"}},
		{"too many partitions", func(_ *testing.T, _ *kfake.Cluster, cfg *KafkaConfig) { cfg.Partitions = 1 },
			[]Check{CheckPartitions}, []string{"expected 1, seen 2", "cannot be taken away"}},
		{"compression", func(t *testing.T, c *kfake.Cluster, _ *KafkaConfig) { alter(t, c, "compression.type", "zstd") },
			[]Check{CheckTopicConfig}, []string{"seen zstd", "--add-config compression.type=producer"}},
		{"timestamps", func(t *testing.T, c *kfake.Cluster, _ *KafkaConfig) {
			alter(t, c, "message.timestamp.type", "LogAppendTime")
		}, []Check{CheckTopicConfig}, []string{"seen LogAppendTime", "message.timestamp.type=CreateTime"}},
		{"compaction", func(t *testing.T, c *kfake.Cluster, _ *KafkaConfig) { alter(t, c, "cleanup.policy", "compact,delete") },
			[]Check{CheckTopicConfig}, []string{"seen compact,delete", "cleanup.policy=delete"}},
		{"replicas", func(t *testing.T, c *kfake.Cluster, _ *KafkaConfig) { alter(t, c, "min.insync.replicas", "9") },
			[]Check{CheckTopicConfig}, []string{"min.insync.replicas", "seen 9"}},
		{"several", func(t *testing.T, c *kfake.Cluster, cfg *KafkaConfig) {
			cfg.Partitions = 3
			alter(t, c, "compression.type", "gzip")
			alter(t, c, "cleanup.policy", "compact")
		}, []Check{CheckPartitions, CheckTopicConfig, CheckTopicConfig}, nil},
		{"settings not told", func(_ *testing.T, c *kfake.Cluster, cfg *KafkaConfig) { answerConfigs(c, cfg.Topic, 0) },
			[]Check{CheckTopicConfig, CheckTopicConfig, CheckTopicConfig}, []string{"the broker does not tell"}},
		{"settings denied", func(_ *testing.T, c *kfake.Cluster, cfg *KafkaConfig) {
			answerConfigs(c, cfg.Topic, kerr.TopicAuthorizationFailed.Code)
		}, []Check{CheckACL}, []string{"DescribeConfigs", "kafka-acls.sh"}},
		{"description denied", func(_ *testing.T, c *kfake.Cluster, cfg *KafkaConfig) {
			answerMetadata(c, cfg.Topic, kerr.TopicAuthorizationFailed.Code)
		}, []Check{CheckACL}, []string{"describe", "kafka-acls.sh"}},
		{"producer id denied", func(_ *testing.T, c *kfake.Cluster, _ *KafkaConfig) {
			refuseProducerIDs(c, 1, kerr.ClusterAuthorizationFailed.Code)
		}, []Check{CheckACL}, []string{"idempotently", "IdempotentWrite"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t)
			cfg := kafkaConfig(c.ListenAddrs()...)
			tc.change(t, c, &cfg)
			k := NewKafka(cfg)
			err := k.Open(t.Context())
			if diff := cmp.Diff(tc.want, refusedFor(err)); diff != "" {
				t.Fatalf("Open = %v (-want +got):\n%s", err, diff)
			}
			for _, s := range tc.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
			if want := map[bool]Status{true: Ready, false: Opening}[tc.want == nil]; k.State().Status != want {
				t.Errorf("state = %v, want %v", k.State().Status, want)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPreflightRights(t *testing.T) {
	allow := func(ops ...kmsg.ACLOperation) (acls []kfake.ACL) {
		for _, op := range ops {
			acls = append(acls, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true})
		}
		return acls
	}
	const read, write, describe, configs = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs
	for _, tc := range []struct {
		name string
		acls []kfake.ACL
		want []Check
		says string
	}{
		{"all", allow(read, write, describe, configs), nil, ""},
		{"no write", allow(read, describe, configs), []Check{CheckACL, CheckACL}, "no Write"}, // nor a producer id
		{"no read", allow(write, describe, configs), []Check{CheckACL}, "no Read"},
		{"no settings", allow(read, write, describe), []Check{CheckACL}, "DescribeConfigs"},
		{"nothing", nil, []Check{CheckACL}, "describe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "demarc", "secret", tc.acls...))
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.SASL = plain.Mechanism{Username: "demarc", Password: "secret"}
			k := NewKafka(cfg)
			err := k.Open(t.Context())
			if diff := cmp.Diff(tc.want, refusedFor(err)); diff != "" {
				t.Fatalf("Open = %v (-want +got):\n%s", err, diff)
			}
			if err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %q does not say %q", err, tc.says)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPreflightCannotFindOut: each request fails, or is cut off.
func TestPreflightCannotFindOut(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(c *kfake.Cluster)
	}{
		{"versions are cut off", cutOff(kmsg.ApiVersions)},
		{"metadata are cut off", cutOff(kmsg.Metadata)},
		{"settings are cut off", cutOff(kmsg.DescribeConfigs)},
		{"producer id is cut off", cutOff(kmsg.InitProducerID)},
		{"no leader yet", func(c *kfake.Cluster) { answerMetadata(c, topic, kerr.LeaderNotAvailable.Code) }},
		{"another topic", func(c *kfake.Cluster) { answerMetadata(c, "events.eu", 0) }},
		{"settings fail", func(c *kfake.Cluster) { answerConfigs(c, topic, kerr.UnknownServerError.Code) }},
		{"versions fail", func(c *kfake.Cluster) {
			c.ControlKey(int16(kmsg.ApiVersions), func(r kmsg.Request) (kmsg.Response, error, bool) {
				answer := r.ResponseKind().(*kmsg.ApiVersionsResponse)
				answer.ErrorCode = kerr.UnsupportedVersion.Code
				return answer, nil, true
			})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t)
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.Pins = Pins{} // so that the first metadata request is that for the topic
			tc.spoil(c)
			k := NewKafka(cfg)
			if err := k.Open(t.Context()); err == nil || refusedFor(err) != nil {
				t.Fatalf("Open = %v, want an error that is no refusal", err)
			}
			if err := k.Open(t.Context()); err != nil {
				t.Errorf("Open again: %v", err)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.ApiVersions, kmsg.Metadata, kmsg.DescribeConfigs} {
		c := newCluster(t)
		reached := make(chan struct{})
		c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			close(reached)
			return nil, nil, true // no answer
		})
		cfg := kafkaConfig(c.ListenAddrs()...)
		cfg.DialTimeout, cfg.RequestTimeout = time.Hour, time.Hour
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-reached
			cancel(enough)
		}()
		if err := NewKafka(cfg).Open(ctx); err == nil || refusedFor(err) != nil {
			t.Errorf("%v: Open = %v", key, err)
		}
	}
}

func cutOff(key kmsg.Key) func(*kfake.Cluster) {
	return func(c *kfake.Cluster) {
		c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, net.ErrClosed, true })
	}
}

// answerMetadata answers the first question for a topic; those for the cluster id alone go through.
func answerMetadata(c *kfake.Cluster, name string, code int16) {
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if len(r.(*kmsg.MetadataRequest).Topics) == 0 {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.ErrorCode = &name, code
		answer.Topics = append(answer.Topics, rt)
		return answer, nil, true
	})
}

func answerConfigs(c *kfake.Cluster, name string, code int16) {
	c.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		answer := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
		rr := kmsg.NewDescribeConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode = kmsg.ConfigResourceTypeTopic, name, code
		answer.Resources = append(answer.Resources, rr)
		return answer, nil, true
	})
}
