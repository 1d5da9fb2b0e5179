package recount

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/sinks"
)

// places are where receipts are looked for: what the caller named, and nothing that only the ledger names.
type places struct {
	topics []*openTopic
	dirs   []*openDir
}

// openTopic is a topic of a sink, or why it is not there.
type openTopic struct {
	sinks  []string
	topic  string
	pinned string             // cluster id that the policy pins; empty: none
	stored *sinks.StoredTopic // nil: see err
	err    error              // *sinks.RefusedError with CheckTopic: there is no such topic
}

type openDir struct {
	sinks []string
	dir   string
}

// absent reports whether the cluster was asked and has no such topic.
func (t *openTopic) absent() bool {
	refused, ok := errors.AsType[*sinks.RefusedError](t.err)
	return ok && refused.Check == sinks.CheckTopic
}

// holds reports whether t is where a group's receipts are from, as far as that is known.
func (t *openTopic) holds(g group) bool {
	if t.topic != g.topic {
		return false
	}
	if t.stored != nil {
		return t.stored.ClusterID == g.cluster
	}
	return t.pinned == "" || t.pinned == g.cluster
}

// open opens all places, and says which cannot be.
func (p *places) open(ctx context.Context, r *run) {
	for _, s := range r.cfg.Sinks {
		if s.Topic == nil {
			dir := filepath.Clean(s.Dir)
			i := slices.IndexFunc(p.dirs, func(d *openDir) bool { return d.dir == dir })
			if i < 0 {
				i = len(p.dirs)
				p.dirs = append(p.dirs, &openDir{dir: dir})
			}
			p.dirs[i].sinks = append(p.dirs[i].sinks, s.Name)
			continue
		}
		t := &openTopic{sinks: []string{s.Name}, topic: s.Topic.Topic, pinned: s.Topic.Pins.ClusterID}
		if t.stored, t.err = sinks.OpenStoredTopic(ctx, *s.Topic); t.err != nil && !t.absent() {
			r.unreadable("sink "+s.Name, t.err)
		}
		if same := p.same(t); same != nil {
			same.sinks = append(same.sinks, s.Name)
			t.stored.Close()
			continue
		}
		p.topics = append(p.topics, t)
	}
}

// same is the topic that is open already, through another sink.
func (p *places) same(t *openTopic) *openTopic {
	for _, have := range p.topics {
		if t.stored != nil && have.stored != nil && have.stored.ClusterID == t.stored.ClusterID && have.topic == t.topic {
			return have
		}
	}
	return nil
}

func (p *places) close() {
	for _, t := range p.topics {
		if t.stored != nil {
			t.stored.Close()
		}
	}
}

// all lists the groups of the receipts, and those places that have none.
func (p *places) all(r *run) []group {
	groups := slices.Clone(r.told.groups.list)
	add := func(g group) {
		if _, known := r.told.groups.by[g]; !known {
			groups = append(groups, g)
		}
	}
	for _, t := range p.topics {
		if t.stored == nil {
			continue
		}
		for n := range t.stored.Partitions {
			add(group{cluster: t.stored.ClusterID, topic: t.topic, partition: n})
		}
	}
	for _, d := range p.dirs {
		files, err := sinks.StoredFiles(d.dir)
		if err != nil {
			r.unreadable("sink "+d.sinks[0], err)
		}
		for _, name := range files {
			add(group{dir: d.dir, file: name})
		}
	}
	return groups
}

// topicOf finds where a group's receipts are looked for. Without a place the error says why, and elsewhere that it is
// because another cluster answers.
func (r *run) topicOf(g group) (t *openTopic, elsewhere bool, err error) {
	for _, t := range r.places.topics {
		if t.holds(g) {
			return t, false, nil
		}
	}
	for _, t := range r.places.topics {
		if t.topic == g.topic && t.stored != nil && !r.wasElsewhere(g) {
			return nil, true, fmt.Errorf("sink %s answers as cluster %q, but receipts are of cluster %q", t.sinks[0], t.stored.ClusterID, g.cluster)
		}
	}
	return nil, false, fmt.Errorf("no policy that was given names topic %s of cluster %s: give the policy that the receipts were made under as well", g.topic, g.cluster)
}

// wasElsewhere reports whether another policy of the ledger than the given one pins a sink to the place of a group.
func (r *run) wasElsewhere(g group) bool {
	return slices.ContainsFunc(r.told.policies, func(use *policyUse) bool {
		return use != r.given && use.policy != nil && slices.ContainsFunc(use.policy.Sinks, func(s classifier.Sink) bool {
			return s.Kafka != nil && s.Kafka.Topic == g.topic && s.Pins.ClusterID == g.cluster
		})
	})
}

func (p *places) dirOf(g group) *openDir {
	for _, d := range p.dirs {
		if d.dir == g.dir {
			return d
		}
	}
	return nil
}

// belongs reports whether a policy's sink stores in the place of a group, as far as that place was given.
func (r *run) belongs(use *policyUse, sink int16, g group) bool {
	s := &use.policy.Sinks[sink]
	if s.File != nil {
		return g.topic == "" && filepath.Clean(s.File.Dir) == g.dir
	}
	if s.Kafka.Topic != g.topic {
		return false
	}
	if s.Pins.ClusterID != "" {
		return s.Pins.ClusterID == g.cluster
	}
	t, _, _ := r.topicOf(g)
	return t != nil && slices.Contains(t.sinks, s.Name)
}

// foundPlace is a Place while it is read.
type foundPlace struct {
	Place
	pending []Difference // about records without a receipt: the source may explain them
}

// place is what is known of the place of a group: of a partition, or of the whole directory of a file.
func (r *run) place(g group) *foundPlace {
	var key any = g
	if g.topic == "" {
		key = g.dir
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.found[key]
	if p == nil {
		p = &foundPlace{Place: Place{Sinks: []string{}, Cluster: g.cluster, Topic: g.topic, Partition: g.partition, Directory: g.dir}}
		if g.topic != "" {
			if t, _, _ := r.topicOf(g); t != nil {
				p.Sinks = t.sinks
			}
		} else if d := r.places.dirOf(g); d != nil {
			p.Sinks = d.sinks
		}
		r.found[key] = p
	}
	return p
}
