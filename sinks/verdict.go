package sinks

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
)

// Cause names why an attempt failed, as a metric label. The enumeration is closed.
type Cause string

const (
	CauseNetwork     Cause = "network"        // no connection, or it broke
	CauseTimeout     Cause = "timeout"        // no answer in time, from the broker or from its followers
	CauseTLS         Cause = "tls"            // the certificate does not verify
	CauseLogin       Cause = "authentication" // SASL
	CauseACL         Cause = "authorization"
	CauseLeader      Cause = "leader"      // the partition has no leader, or another one
	CauseTopic       Cause = "topic"       // the topic or the partition is not there
	CauseReplicas    Cause = "replicas"    // fewer replicas than min.insync.replicas
	CauseProducer    Cause = "producer"    // the broker does not know the producer's id or sequence any more
	CauseCoordinator Cause = "coordinator" // no producer id to be had at the moment
	CauseTooLarge    Cause = "too_large"   // a batch that is divided
	CauseInvalid     Cause = "invalid"     // a batch that is divided
	CauseReadBack    Cause = "read_back"   // the first batch of a partition could not be read back
	CauseBroker      Cause = "broker"      // any other answer
	CauseDiskFull    Cause = "disk_full"   // of a directory
	CauseDisk        Cause = "disk"        // of a directory: any other error of the file system
	CausePin         Cause = "pin"         // another place than the policy says: the sink stops
)

// Causes lists all causes.
func Causes() []Cause {
	return []Cause{
		CauseNetwork, CauseTimeout, CauseTLS, CauseLogin, CauseACL, CauseLeader, CauseTopic, CauseReplicas, CauseProducer,
		CauseCoordinator, CauseTooLarge, CauseInvalid, CauseReadBack, CauseBroker, CauseDiskFull, CauseDisk, CausePin,
	}
}

// action is what follows from the outcome of an attempt to produce.
type action uint8

const (
	accept action = iota // the records are stored
	retry                // the same bytes under the same sequence, after a pause
	renew                // the same records under a new producer id
	divide               // halve the batch; a single record is refused for good
)

// verdict is what is done about the outcome of an attempt, and why.
type verdict struct {
	action action
	cause  Cause
	reason record.Reason // of the refusal, with divide

	// unknown says that the records may be stored although the attempt failed. Without it they are not.
	unknown bool
}

// judge decides for every answer to a produce request, and for every way to get none. Whatever is not known to
// be the fault of the records themselves is tried again: a wait is seen and can be ended, a loss cannot.
func judge(err error) verdict {
	if err == nil {
		return verdict{action: accept}
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		switch refused.Check {
		case CheckCertificate:
			return verdict{action: retry, cause: CauseTLS}
		case CheckReadBack:
			return verdict{action: retry, cause: CauseReadBack} // the sink has been stopped: nothing follows
		}
		return verdict{action: retry, cause: CausePin} // likewise
	}
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return judgeCode(code)
	}
	// No answer. Whether the records left is known only to the exchange, see (*exchange).revoke.
	timeout, isNet := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || isNet && timeout.Timeout() {
		return verdict{action: retry, cause: CauseTimeout, unknown: true}
	}
	return verdict{action: retry, cause: CauseNetwork, unknown: true}
}

func judgeCode(code kafka.Error) verdict {
	switch code {
	case kafka.DuplicateSequenceNumber:
		return verdict{action: accept} // an earlier attempt was stored; its answer got lost

	// The records themselves. Size counts for the whole batch, so half of it may pass.
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return verdict{action: divide, cause: CauseTooLarge, reason: record.TooLarge}
	case kafka.InvalidRecord, kafka.InvalidTimestamp:
		return verdict{action: divide, cause: CauseInvalid, reason: record.Refused}

	// The broker has forgotten the producer, or its log ends elsewhere than we think (unclean election).
	case kafka.OutOfOrderSequenceNumber, kafka.InvalidProducerEpoch, kafka.ProducerFenced, kafka.UnknownProducerId, kafka.InvalidProducerIDMapping:
		return verdict{action: renew, cause: CauseProducer}

	// The broker says no before it appends.
	case kafka.NotEnoughReplicas:
		return verdict{action: retry, cause: CauseReplicas}
	case kafka.LeaderNotAvailable, kafka.BrokerNotAvailable:
		return verdict{action: retry, cause: CauseLeader}
	case kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup, kafka.ConcurrentTransactions:
		return verdict{action: retry, cause: CauseCoordinator}
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed:
		return verdict{action: retry, cause: CauseACL} // somebody can give the right back
	case kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		return verdict{action: retry, cause: CauseLogin}

	// It may have appended before: a leader that steps down answers what waits for its followers this way too.
	// The same sequence again finds out.
	case kafka.NotLeaderForPartition, kafka.ReplicaNotAvailable, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch:
		return verdict{action: retry, cause: CauseLeader, unknown: true}
	case kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InvalidTopic:
		return verdict{action: retry, cause: CauseTopic, unknown: true}
	case kafka.RequestTimedOut:
		return verdict{action: retry, cause: CauseTimeout, unknown: true}
	case kafka.NotEnoughReplicasAfterAppend:
		return verdict{action: retry, cause: CauseReplicas, unknown: true}
	}
	return verdict{action: retry, cause: CauseBroker, unknown: true}
}

// judgeDisk names the cause of a file system's error; all of them are tried again.
func judgeDisk(err error) Cause {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return CauseDiskFull
	}
	return CauseDisk
}
