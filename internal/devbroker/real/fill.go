//go:build unix

package real

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/demarc/demarc/internal/devbroker"
)

// Codecs are the names that kcat and Kafka have for the codecs of a record batch.
var Codecs = []string{"gzip", "snappy", "lz4", "zstd"}

// FillWithKcat writes a load with kcat (librdkafka), as another implementation than ours compresses and frames
// it. The traffic must be bare, and timestamps are those of writing; Batch, Codec and Opts of the load are not
// used.
func FillWithKcat(ctx context.Context, l devbroker.Load, codec string) error {
	if err := Need("kcat"); err != nil {
		return err
	}
	if !l.Traffic.Bare {
		return errors.New("fill with kcat: the traffic must be bare")
	}
	for p := range l.Partitions {
		// A retry must not change the order within the partition: that takes an idempotent producer.
		cmd := exec.CommandContext(ctx, "kcat", "-P", "-b", strings.Join(l.Brokers, ","), "-t", l.Topic, "-p", strconv.Itoa(int(p)),
			"-z", codec, "-K", `\x1e`, "-X", "enable.idempotence=true", "-X", "linger.ms=50", "-X", "batch.num.messages=2000")
		in, err := cmd.StdinPipe()
		if err != nil {
			return fmt.Errorf("run kcat: %w", err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("run kcat: %w", err)
		}
		err = errors.Join(writeLines(in, l, p), cmd.Wait())
		if err != nil {
			return fmt.Errorf("fill %s/%d with kcat: %w%s", l.Topic, p, err, stderr.String())
		}
	}
	return nil
}

func writeLines(in io.WriteCloser, l devbroker.Load, partition int32) error {
	out := bufio.NewWriterSize(in, 1<<20)
	for n := range l.Share(partition) {
		r, _ := l.Traffic.Record(partition, l.From+n)
		out.Write(r.Key)
		out.WriteByte(0x1e)
		out.Write(r.Value)
		out.WriteByte('\n') // the writer keeps its first error for Flush
	}
	return errors.Join(out.Flush(), in.Close())
}
