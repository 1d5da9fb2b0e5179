//go:build unix

package real

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic creates a topic with the given configuration and waits until each partition has its leader.
func (c *Cluster) CreateTopic(ctx context.Context, topic string, partitions int32, config map[string]string) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	values := map[string]*string{}
	for k, v := range config {
		values[k] = &v
	}
	if _, err := admin.CreateTopic(ctx, partitions, 1, values, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		listed, err := admin.ListTopics(ctx, topic)
		if err == nil && len(listed[topic].Partitions) == int(partitions) && listed[topic].Err == nil && !hasError(listed[topic].Partitions) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("create topic %s: wait for leaders: %w", topic, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func hasError(partitions kadm.PartitionDetails) bool {
	for _, p := range partitions {
		if p.Err != nil || p.Leader < 0 {
			return true
		}
	}
	return false
}

// DeleteTopics deletes topics.
func (c *Cluster) DeleteTopics(ctx context.Context, topics ...string) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	all, err := admin.DeleteTopics(ctx, topics...)
	if err == nil {
		err = all.Error()
	}
	if err != nil {
		return fmt.Errorf("delete topics %v: %w", topics, err)
	}
	return nil
}

// Count is how many offsets a topic holds, over all partitions.
func (c *Cluster) Count(ctx context.Context, topic string) (int64, error) {
	admin, err := c.admin()
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	first, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = first.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", topic, err)
	}
	last, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = last.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", topic, err)
	}
	var n int64
	last.Each(func(o kadm.ListedOffset) { n += o.Offset })
	first.Each(func(o kadm.ListedOffset) { n -= o.Offset })
	return n, nil
}

// Committed is the sum of a group's committed offsets of a topic.
func (c *Cluster) Committed(ctx context.Context, group, topic string) (int64, error) {
	admin, err := c.admin()
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	offsets, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, fmt.Errorf("read offsets of group %s: %w", group, err)
	}
	var n int64
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At > 0 {
			n += o.At
		}
	})
	return n, nil
}

// Members is how many members a group has.
func (c *Cluster) Members(ctx context.Context, group string) (int, error) {
	members, err := c.members(ctx, group)
	return len(members), err
}

// Evict removes all members of a group, as the end of their sessions would: after a kill the next member does
// not wait for it.
func (c *Cluster) Evict(ctx context.Context, group string) error {
	members, err := c.members(ctx, group)
	if err != nil || len(members) == 0 {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		return fmt.Errorf("evict members of %s: %w", group, err)
	}
	defer client.Close()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, m := range members {
		leave := kmsg.NewLeaveGroupRequestMember()
		leave.MemberID = m.MemberID
		req.Members = append(req.Members, leave)
	}
	if _, err := req.RequestWith(ctx, client); err != nil {
		return fmt.Errorf("evict members of %s: %w", group, err)
	}
	return nil
}

func (c *Cluster) members(ctx context.Context, group string) ([]kadm.DescribedGroupMember, error) {
	admin, err := c.admin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	groups, err := admin.DescribeGroups(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", group, err)
	}
	return groups[group].Members, nil
}

func (c *Cluster) admin() (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...))
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", c.Brokers, err)
	}
	return kadm.NewClient(client), nil
}
