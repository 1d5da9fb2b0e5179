package router

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/demarc/demarc/internal/wire"
)

// TopicIDs gives the ids of topics as the ledger writes them, by name; none of a cluster that has no ids (before Kafka
// 2.8). A topic that was deleted and created again has another id, and its offsets are others.
func TopicIDs(ctx context.Context, client *kafka.Client, topics []string) (map[string]string, error) {
	can, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{Addr: client.Addr})
	if err == nil {
		err = can.Error
	}
	if err != nil {
		return nil, fmt.Errorf("read topic ids: %w", err)
	}
	ids, tells := map[string]string{}, false
	for _, api := range can.ApiKeys {
		tells = tells || protocol.ApiKey(api.ApiKey) == protocol.Metadata && api.MaxVersion >= wire.TopicIDsVersion
	}
	if !tells {
		return ids, nil
	}
	m, err := client.Transport.RoundTrip(ctx, client.Addr, &wire.TopicIDs{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("read topic ids: %w", err)
	}
	for _, t := range m.(*wire.TopicIDsResponse).Topics {
		if t.Error != 0 {
			return nil, fmt.Errorf("read topic ids: topic %s: %w", t.Topic, kafka.Error(t.Error))
		}
		if t.ID != [16]byte{} {
			h := hex.EncodeToString(t.ID[:])
			ids[t.Topic] = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
	}
	return ids, nil
}
