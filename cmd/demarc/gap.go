package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/router"
)

type gapCmd struct {
	Partition string `arg:"" placeholder:"TOPIC/PARTITION" help:"Source partition that stopped."`
	To        int64  `required:"" placeholder:"OFFSET" help:"First source offset that is read again."`
	Reason    string `required:"" placeholder:"TEXT" help:"Why the records before it are passed over. It stays in the ledger for ever and every claim shows it."`
}

func (gapCmd) Help() string {
	return `Where a partition stopped because its next records cannot be had or cannot be read, this is your explicit word to go on without them. It writes a gap entry into the ledger, DEMARC_LEDGER or DEMARC_LEDGER_TOPIC, from where it ends to the offset given, and commits that offset for DEMARC_GROUP. No record is deleted. The process that writes the ledger, with DEMARC_LEDGER_TOPIC all instances of the group, has to be stopped first.

Example:

    DEMARC_BROKERS=kafka-1:9092 DEMARC_LEDGER=/var/lib/demarc/ledger demarc gap events/7 --to 184467 --reason "retention deleted them, see INC-2041"`
}

func (cmd gapCmd) Run(s *streams) (err error) {
	tp, err := parsePartition(cmd.Partition)
	if err != nil {
		return usageError(err)
	}
	if strings.TrimSpace(cmd.Reason) == "" {
		return usageError(errors.New("--reason is empty: say why"))
	}
	if len(cmd.Reason) > maxReason || !utf8.ValidString(cmd.Reason) || strings.ContainsFunc(cmd.Reason, unicode.IsControl) {
		return usageError(fmt.Errorf("--reason: want one line of text, at most %d bytes, without control characters: it goes into the ledger as it is", maxReason))
	}
	c, err := configure(s.environ, nil)
	if err != nil {
		return err
	}
	if err := c.oneLedger(); err != nil {
		return err
	}
	if len(c.Brokers) == 0 || c.Ledger == "" && c.LedgerTopic == "" {
		return usageError(errors.New("DEMARC_BROKERS and DEMARC_LEDGER, or DEMARC_LEDGER_TOPIC, say where the source and the ledger are; set both as for demarc run"))
	}
	access, err := c.Source.open(envPrefix)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	transport := &kafka.Transport{Dial: access.dial, SASL: access.sasl, ClientID: clientID, MetadataTopics: []string{tp.Topic}}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: transport}
	evidence, done, err := c.openKeeper(ctx, client, newLogger(newTerminal(s.err), &c.settings))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	g := gap{ledger: evidence, client: client, group: c.Group, tp: tp, to: cmd.To}
	from, err := g.pass(ctx, cmd.Reason)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s goes on at offset %d; offsets %d to %d are a gap in the ledger\n", tp, cmd.To, from, cmd.To-1)
	return err
}

// maxReason leaves room in an entry of the ledger, even if every character has to be escaped.
const maxReason = 4 << 10

// gap passes over a range of one source partition.
type gap struct {
	ledger keeper
	client *kafka.Client
	group  string
	tp     record.TopicPartition
	to     int64
}

// pass writes the entry and then commits the offset. A crash in between costs nothing: a run goes on where the
// ledger ends.
func (g gap) pass(ctx context.Context, reason string) (from int64, err error) {
	meta, err := g.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{g.tp.Topic}})
	if err != nil {
		return 0, fmt.Errorf("reach source: %w; look at DEMARC_BROKERS and its TLS and SASL settings", err)
	}
	ids, err := router.TopicIDs(ctx, g.client, []string{g.tp.Topic})
	if err != nil {
		return 0, err
	}
	source := ledger.Source{Cluster: meta.ClusterID, Topic: g.tp.Topic, TopicID: ids[g.tp.Topic], Partition: g.tp.Partition, To: g.to}
	if from, err = g.from(ctx, source.Stream()); err != nil {
		return 0, err
	}
	first, end, err := g.reach(ctx)
	switch {
	case err != nil:
		return 0, err
	case g.to <= from:
		return 0, usageError(fmt.Errorf("--to=%d: the ledger covers %s up to offset %d already", g.to, g.tp, from))
	case g.to < first:
		return 0, usageError(fmt.Errorf("--to=%d: what lies below offset %d of %s is gone: give --to %d, or the partition stops again", g.to, first, g.tp, first))
	case g.to > end:
		return 0, usageError(fmt.Errorf("--to=%d: %s ends at offset %d: what is not written yet cannot be passed over", g.to, g.tp, end))
	}
	source.From = from
	entry := ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{At: time.Now().UnixMilli(), Reason: reason, Source: source}}
	if err := g.ledger.Append(ctx, []ledger.Entry{entry}); err != nil {
		return 0, fmt.Errorf("write the gap: %w", err)
	}
	return from, g.commit(ctx)
}

// from is where the ledger ends, or, if it tells nothing of the partition yet, where the group would begin: a partition
// may stop at its very first record.
func (g gap) from(ctx context.Context, stream ledger.Stream) (int64, error) {
	covered, err := g.ledger.Resume(ctx, []ledger.Stream{stream})
	if err != nil {
		return 0, fmt.Errorf("ask the ledger where it ends: %w", err)
	}
	if from, ok := covered[stream]; ok {
		return from, nil
	}
	from, err := g.committed(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the offset of group %s: %w", g.group, err)
	}
	if from < 0 {
		return 0, usageError(fmt.Errorf("neither the ledger nor group %s tells anything of %s on cluster %s: there is nothing to pass over from", g.group, g.tp, stream.Cluster))
	}
	return from, nil
}

// reach is the first offset that is there, and the first that is not written yet.
func (g gap) reach(ctx context.Context) (first, end int64, err error) {
	partition := int(g.tp.Partition)
	res, err := g.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{g.tp.Topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read how far %s reaches: %w", g.tp, err)
	}
	for _, p := range res.Topics[g.tp.Topic] {
		if p.Error != nil {
			return 0, 0, fmt.Errorf("read how far %s reaches: %w", g.tp, p.Error)
		}
		if p.Partition == partition {
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("read how far %s reaches: no answer from its leader", g.tp)
}

// committed is the group's offset, -1 if it has none.
func (g gap) committed(ctx context.Context) (int64, error) {
	partition := int(g.tp.Partition)
	held, err := g.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: g.group, Topics: map[string][]int{g.tp.Topic: {partition}}})
	if err == nil {
		err = held.Error
	}
	if err != nil {
		return 0, err
	}
	for _, p := range held.Topics[g.tp.Topic] {
		if p.Error != nil {
			return 0, p.Error
		}
		if p.Partition == partition {
			return p.CommittedOffset, nil
		}
	}
	return -1, nil
}

// commit moves the group, unless it is further already. The coordinator takes offsets from outside only while the
// group has no members.
func (g gap) commit(ctx context.Context) error {
	partition := int(g.tp.Partition)
	at, err := g.committed(ctx)
	if err != nil {
		return g.uncommitted(err)
	}
	if at >= g.to {
		return nil
	}
	res, err := g.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: g.group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{g.tp.Topic: {{Partition: partition, Offset: g.to}}},
	})
	if err != nil {
		return g.uncommitted(err)
	}
	for _, p := range res.Topics[g.tp.Topic] {
		if p.Error != nil {
			return g.uncommitted(p.Error)
		}
	}
	return nil
}

func (g gap) uncommitted(err error) error {
	return fmt.Errorf("the ledger has the gap, but committing offset %d for group %s failed: %w; the next demarc run goes on there all the same", g.to, g.group, err)
}

// parsePartition reads TOPIC/PARTITION.
func parsePartition(s string) (record.TopicPartition, error) {
	topic, number, ok := strings.Cut(s, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if !ok || topic == "" || err != nil || n < 0 {
		return record.TopicPartition{}, fmt.Errorf("%q is no partition: want TOPIC/PARTITION, such as events/7", s)
	}
	return record.TopicPartition{Topic: topic, Partition: int32(n)}, nil
}
