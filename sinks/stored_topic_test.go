package sinks

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStoredTopic(t *testing.T) {
	cluster := newCluster(t)
	cfg := kafkaConfig(cluster.ListenAddrs()...)
	opened, err := OpenStoredTopic(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if opened.ClusterID != clusterID || opened.Topic != topic || opened.Partitions != 2 || opened.Refusal() != nil {
		t.Errorf("opened %+v", opened)
	}
}

func TestStoredTopicRefuses(t *testing.T) {
	cluster := newCluster(t)
	for name, tc := range map[string]struct {
		change func(*KafkaConfig)
		check  Check // empty: not a refusal
	}{
		"another cluster": {func(c *KafkaConfig) { c.Pins.ClusterID = "another" }, CheckClusterID},
		"no topic":        {func(c *KafkaConfig) { c.Topic = "none" }, CheckTopic},
		"no brokers":      {func(c *KafkaConfig) { c.Brokers = nil }, CheckConfig},
		"nobody there":    {func(c *KafkaConfig) { c.Brokers = []string{"127.0.0.1:1"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := kafkaConfig(cluster.ListenAddrs()...)
			tc.change(&cfg)
			_, err := OpenStoredTopic(t.Context(), cfg)
			refused, ok := errors.AsType[*RefusedError](err)
			if err == nil || ok != (tc.check != "") || ok && refused.Check != tc.check {
				t.Errorf("err = %v, want check %q", err, tc.check)
			}
		})
	}
}

func TestStoredFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"events-1/00000000000000000000.0000000000000abc.log", "events-1/00000000000000000007.0000000000000abc.log.part", "events-1/notes.txt", "clicks-0/00000000000000000000.0000000000000abc.log", "other/x.log", ".lock",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := StoredFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"clicks-0/00000000000000000000.0000000000000abc.log", "events-1/00000000000000000000.0000000000000abc.log", "events-1/00000000000000000007.0000000000000abc.log"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := StoredFiles(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there has files")
	}
}
