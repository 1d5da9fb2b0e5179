//go:build unix

package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed testdata/policy.yaml
var policy string

// sinkTopics is where every subject writes, each behind the run's name and a dot.
var sinkTopics = []string{"us", "eea", "row", "quarantine"}

// subject is a program that routes the source topic and ends at its end.
type subject struct {
	name, source string
	binary       string
	command      func(s subject, r run) (*exec.Cmd, error)
}

// run is one run of a subject.
type run struct {
	name    string // also the consumer group and the prefix of the sink topics
	topic   string
	broker  string
	cluster string
	geo     string
	dir     string
	listen  string // where the subject may show metrics
}

var subjects = []subject{
	{name: "demarc", source: "cmd/demarc", command: demarc},
	{name: "kafkago", source: "bench/peers/kafkago", command: kafkago},
}

func demarc(s subject, r run) (*exec.Cmd, error) {
	text := strings.NewReplacer("${BROKER}", r.broker, "${CLUSTER}", r.cluster, "${RUN}", r.name).Replace(policy)
	file := filepath.Join(r.dir, r.name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	cmd := exec.Command(s.binary, "run", file, "--until-end")
	cmd.Env = append(os.Environ(), "DEMARC_BROKERS="+r.broker, "DEMARC_TOPICS="+r.topic, "DEMARC_GROUP="+r.name,
		"DEMARC_START=earliest", "DEMARC_GEO_DB="+r.geo, "DEMARC_LISTEN="+r.listen)
	return cmd, nil
}

func kafkago(s subject, r run) (*exec.Cmd, error) {
	return exec.Command(s.binary, "-broker", r.broker, "-topic", r.topic, "-group", r.name, "-sinks", r.name, "-geo", r.geo), nil
}

// result is what one run cost.
type result struct {
	cpu     time.Duration // user and system time of the process
	wall    time.Duration
	rss     int64 // most resident memory, bytes
	mallocs int64 // -1: not known
	records int64
}

func (r result) perRecord() float64 { return float64(r.cpu.Microseconds()) / float64(r.records) }

func (r result) String() string {
	mallocs := "?"
	if r.mallocs >= 0 {
		mallocs = fmt.Sprintf("%.4f", float64(r.mallocs)/float64(r.records))
	}
	return fmt.Sprintf("%6.3f us/record  %8.0f records/s  %4d MiB  %s allocations/record",
		r.perRecord(), float64(r.records)/r.wall.Seconds(), r.rss>>20, mallocs)
}

// subjectLimit is how long a subject may take for one topic.
const subjectLimit = 10 * time.Minute

// measure runs a subject over a source topic of so many records, into topics of its own, and counts what arrived.
func (b *bench) measure(ctx context.Context, s subject, topic string, records int64, round int) (result, error) {
	listen, err := freeAddress()
	if err != nil {
		return result{}, err
	}
	r := run{
		name: fmt.Sprintf("%s-%s-%d", s.name, topic, round), topic: topic, listen: listen,
		broker: b.kafka.Brokers[0], cluster: b.kafka.ID, geo: b.geo, dir: b.dir,
	}
	var topics []string
	for _, name := range sinkTopics {
		topics = append(topics, r.name+"."+name)
		if err := b.kafka.CreateTopic(ctx, r.name+"."+name, b.partitions, nil); err != nil {
			return result{}, err
		}
	}
	cmd, err := s.command(s, r)
	if err != nil {
		return result{}, err
	}
	limited, cancel := context.WithTimeout(ctx, subjectLimit)
	defer cancel()
	res, err := execute(limited, cmd, listen)
	if err != nil {
		return result{}, err
	}
	for _, topic := range topics {
		n, err := b.kafka.Count(ctx, topic)
		if err != nil {
			return result{}, err
		}
		res.records += n
	}
	if res.records != records {
		return result{}, fmt.Errorf("%d of %d records arrived", res.records, records)
	}
	return res, b.kafka.DeleteTopics(ctx, topics...)
}

// execute runs the process to its end and asks the kernel what it took.
func execute(ctx context.Context, cmd *exec.Cmd, listen string) (result, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, fmt.Errorf("start: %w", err)
	}
	ended, watched := make(chan struct{}), make(chan int64, 1)
	go func() { watched <- watchMallocs(ctx, listen, ended) }()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	wall := time.Since(begun)
	close(ended)
	mallocs := <-watched
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, out.Bytes())
	}
	if m := mallocsLine.FindSubmatch(out.Bytes()); m != nil {
		mallocs, _ = strconv.ParseInt(string(m[1]), 10, 64)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return result{
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: wall,
		rss: usage.Maxrss << 10, mallocs: mallocs,
	}, nil
}

// A peer prints its allocations when it ends; demarc shows them among its metrics while it runs.
var (
	mallocsLine   = regexp.MustCompile(`(?m)^mallocs (\d+)$`)
	mallocsMetric = regexp.MustCompile(`(?m)^go_memstats_mallocs_total (\S+)$`)
)

// watchMallocs returns the last count that the process showed before it ended, -1 if none.
func watchMallocs(ctx context.Context, listen string, ended <-chan struct{}) int64 {
	last := int64(-1)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return last
		case <-ctx.Done():
			return last
		case <-tick.C:
			if n, ok := scrape(ctx, listen); ok {
				last = n
			}
		}
	}
}

func scrape(ctx context.Context, listen string) (int64, bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return 0, false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, false
	}
	m := mallocsMetric.FindSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	return int64(n), err == nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
