//go:build unix

package real

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// Read is a record as a reader found it. Its bytes are borrowed until the callback returns.
type Read struct {
	Topic      string
	Partition  int32
	Offset     int64
	Time       int64  // milliseconds
	Key, Value []byte // nil: null
	Headers    []byte // all of them, as this reader writes them down

	mark string // begins the four headers of a quarantined record in Headers
}

// Unquarantine takes the four headers of a quarantined record away and returns its reason. Without them it
// reports false and changes nothing.
func (r *Read) Unquarantine() (reason string, ok bool) {
	at := bytes.LastIndex(r.Headers, []byte(r.mark))
	if at < 0 || at > 0 && r.Headers[at-1] != ',' {
		return "", false
	}
	added := string(r.Headers[at:])
	for _, name := range []string{"demarc-signal", "demarc-source", "demarc-policy"} {
		if strings.Count(added, name) != 1 {
			return "", false
		}
	}
	value, _, _ := strings.Cut(added[len(r.mark):], ",")
	r.Headers = r.Headers[:max(at-1, 0)]
	return strings.Trim(value, `"`), true
}

// Kcat reads every committed record of a topic with kcat (librdkafka) and calls fn with each, of each partition
// in order. Keys, values and timestamps are exact. Headers are what kcat prints, `name=value,name=value`: a value
// ends at its first zero byte, a null value is the text NULL and a comma may be part of a value. Franz tells
// those apart.
func Kcat(ctx context.Context, brokers []string, topic string, fn func(*Read) error) error {
	if err := Need("kcat"); err != nil {
		return err
	}
	// The length of the headers is not among what kcat prints. A separator that no record can know ends them.
	separator := "/" + rand.Text() + "\n"
	format := "%p %o %T %K %S\n%k%s%h" + strings.TrimSuffix(separator, "\n") + `\n`
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kcat", "-C", "-b", strings.Join(brokers, ","), "-t", topic, "-o", "beginning", "-e", "-q",
		"-X", "isolation.level=read_committed", "-X", "check.crcs=true", "-f", format)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run kcat: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run kcat: %w", err)
	}
	err = parseKcat(bufio.NewReaderSize(out, 1<<20), topic, separator, fn)
	if err != nil {
		cancel()
	}
	if waited := cmd.Wait(); waited != nil && err == nil {
		err = waited
	}
	if err != nil {
		return fmt.Errorf("read %s with kcat: %w%s", topic, err, stderr.String())
	}
	return nil
}

func parseKcat(in *bufio.Reader, topic, separator string, fn func(*Read) error) error {
	var body []byte
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a record is cut off: %w", err)
		}
		fields := strings.Fields(line)
		if len(fields) != 5 {
			return fmt.Errorf("want five numbers, got %q", line)
		}
		var n [5]int64
		for i, f := range fields {
			if n[i], err = strconv.ParseInt(f, 10, 64); err != nil {
				return fmt.Errorf("want five numbers, got %q", line)
			}
		}
		r := Read{Topic: topic, Partition: int32(n[0]), Offset: n[1], Time: n[2], mark: "demarc-reason="}
		key, value := max(n[3], 0), max(n[4], 0)
		body = append(body[:0], make([]byte, key+value)...)
		if _, err := io.ReadFull(in, body); err != nil {
			return fmt.Errorf("a record is cut off: %w", err)
		}
		for !bytes.HasSuffix(body[key+value:], []byte(separator)) {
			part, err := in.ReadSlice('\n')
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return fmt.Errorf("a record is cut off: %w", err)
			}
			body = append(body, part...)
		}
		if n[3] >= 0 {
			r.Key = body[:key:key]
		}
		if n[4] >= 0 {
			r.Value = body[key : key+value : key+value]
		}
		r.Headers = body[key+value : len(body)-len(separator)]
		if err := fn(&r); err != nil {
			return err
		}
	}
}

// Franz reads like Kcat, with franz-go. Here headers are exact too.
func Franz(ctx context.Context, brokers []string, topic string, fn func(*Read) error) error {
	var headers []byte
	return devbroker.Each(ctx, brokers, topic, func(rec *kgo.Record) error {
		headers = headers[:0]
		for i, h := range rec.Headers {
			if i > 0 {
				headers = append(headers, ',')
			}
			headers = append(strconv.AppendQuote(headers, h.Key), '=')
			if h.Value == nil {
				headers = append(headers, "null"...)
			} else {
				headers = strconv.AppendQuote(headers, string(h.Value))
			}
		}
		return fn(&Read{
			Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp.UnixMilli(),
			Key: rec.Key, Value: rec.Value, Headers: headers, mark: `"demarc-reason"=`,
		})
	})
}
