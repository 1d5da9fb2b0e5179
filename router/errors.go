package router

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// verdict is what to do about an error on the source's side. Errors on a sink's side are the sink's own to
// judge: it retries, refuses a record, or stops.
type verdict int

const (
	retry verdict = iota // passes by itself: back off and try again
	stop                 // this partition holds, loudly, until an operator acts
)

// judge decides for an error code of a fetched partition. What is not known to pass by itself stops: going on
// would mean guessing about offsets.
func judge(code kafka.Error) verdict {
	switch code {
	case kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.ReplicaNotAvailable, kafka.RequestTimedOut,
		kafka.BrokerNotAvailable, kafka.NetworkException, kafka.KafkaStorageError, kafka.FencedLeaderEpoch,
		kafka.UnknownLeaderEpoch, kafka.OffsetNotAvailable, kafka.PreferredLeaderNotAvailable:
		return retry // leadership moves, replicas catch up
	case kafka.Unknown:
		return retry // a broker whose remote storage fails in passing answers so; it says nothing of the offset
	case kafka.UnknownTopicOrPartition:
		return retry // a broker that has just started does not know its partitions yet
	case kafka.TopicAuthorizationFailed:
		return retry // an ACL that is put right takes effect without a restart; until then it is counted and logged
	default:
		return stop
	}
}

// hint says what an operator can do about an error code.
func hint(code kafka.Error) string {
	switch code {
	case kafka.OffsetOutOfRange:
		return "the offset is gone (retention, or the topic was created anew); nothing is skipped: make sure of the loss, then give your word: with a ledger by demarc gap TOPIC/PARTITION --to OFFSET --reason TEXT, without one by setting the group's offset"
	case kafka.TopicAuthorizationFailed:
		return "grant READ on the topic to this principal"
	case kafka.UnknownTopicOrPartition:
		return "the topic or partition does not exist"
	case kafka.InvalidMessage:
		return "the broker's log is damaged"
	default:
		return ""
	}
}

// partitionError is a fetch error with its hint.
func partitionError(code kafka.Error) error {
	if h := hint(code); h != "" {
		return fmt.Errorf("fetch: %w (%s)", code, h)
	}
	return fmt.Errorf("fetch: %w", code)
}

// generationOver reports whether the coordinator says that this generation may not commit any more.
func generationOver(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.FencedInstanceID)
}

// ended reports whether err only says that the work was called off.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
