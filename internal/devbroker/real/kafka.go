//go:build unix

package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is a running Apache Kafka: one node, its data in a folder of its own.
type Cluster struct {
	ID      string
	Brokers []string // without encryption or authentication
	Secure  []string // the second listener, if the options ask for one
	Pin     string   // base64 of the SHA-256 of the server's public key info, with TLS

	dir, libs string
	process   *exec.Cmd
	exited    chan struct{} // closed when the process has ended
}

const log4j = `appenders=file
appender.file.type=File
appender.file.name=file
appender.file.fileName=${sys:demarc.log}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %c{1}: %m%n
rootLogger.level=WARN
rootLogger.appenderRefs=file
rootLogger.appenderRef.file.ref=file
`

// startLimit is how long a broker may take until it answers; 4 s on an idle machine.
const startLimit = 90 * time.Second

// Start runs a broker in dir, which must be empty, and returns when it answers. The broker ends with Stop or
// Kill, and with this process.
func Start(ctx context.Context, dir string, o Options) (*Cluster, error) {
	if err := Need("java"); err != nil {
		return nil, err
	}
	libs, err := Jars(ctx)
	if err != nil {
		return nil, err
	}
	p, err := freePorts()
	if err != nil {
		return nil, err
	}
	c := &Cluster{ID: o.ClusterID, dir: dir, libs: libs, Brokers: []string{fmt.Sprintf("127.0.0.1:%d", p.plain)}}
	if c.ID == "" {
		c.ID = RandomID()
	}
	if o.secure() {
		c.Secure = []string{fmt.Sprintf("127.0.0.1:%d", p.secure)}
	}
	if o.TLS != nil {
		if c.Pin, err = o.TLS.writeServer(dir); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string][]byte{"server.properties": o.properties(dir, p), "log4j2.properties": []byte(log4j)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("start Kafka: %w", err)
		}
	}
	args := append([]string{"format", "-t", c.ID, "-c", filepath.Join(dir, "server.properties")}, o.scram()...)
	if out, err := c.java(ctx, "kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format Kafka's storage: %w\n%s", err, out)
	}
	if err := c.Restart(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// StartAll starts several brokers at once, each in a folder under dir. On an error none is left running.
func StartAll(ctx context.Context, dir string, options ...Options) ([]*Cluster, error) {
	clusters, errs := make([]*Cluster, len(options)), make([]error, len(options))
	var all sync.WaitGroup
	for i, o := range options {
		all.Go(func() {
			own := filepath.Join(dir, fmt.Sprintf("kafka-%d", i))
			if errs[i] = os.MkdirAll(own, 0o755); errs[i] == nil {
				clusters[i], errs[i] = Start(ctx, own, o)
			}
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	if err != nil {
		for i, c := range clusters {
			if errs[i] == nil {
				err = errors.Join(err, c.Kill())
			}
		}
		return nil, err
	}
	return clusters, nil
}

// java prepares a Java process. It dies with this process.
func (c *Cluster) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	all := append([]string{"-Xmx1g", "-cp", c.libs + "/*", "-Ddemarc.log=" + filepath.Join(c.dir, "kafka.log"),
		"-Dlog4j2.configurationFile=" + filepath.Join(c.dir, "log4j2.properties"), class}, args...)
	cmd := exec.CommandContext(ctx, "java", all...)
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// Restart runs the broker again on its old data and ports, after Stop or Kill.
func (c *Cluster) Restart(ctx context.Context) error {
	// The broker outlives ctx, which bounds its start only.
	cmd := c.java(context.Background(), "kafka.Kafka", filepath.Join(c.dir, "server.properties"))
	out, err := os.OpenFile(filepath.Join(c.dir, "stdout.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start Kafka: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start Kafka: %w", err)
	}
	exited := make(chan struct{})
	c.process, c.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := c.ready(ctx); err != nil {
		return errors.Join(fmt.Errorf("start Kafka %s: %w\n%s", c.ID, err, c.logTail()), c.Kill())
	}
	return nil
}

// ready waits until the broker answers with its cluster id.
func (c *Cluster) ready(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RetryTimeout(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
		if err == nil && len(meta.Brokers) > 0 {
			if meta.ClusterID == nil || *meta.ClusterID != c.ID {
				return errors.New("another broker answers on its port")
			}
			return nil
		}
		select {
		case <-c.exited:
			return errors.New("the process has ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// logTail is the end of what the broker said.
func (c *Cluster) logTail() string {
	var text strings.Builder
	for _, name := range []string{"stdout.log", "kafka.log"} {
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err == nil {
			text.Write(b[max(0, len(b)-4000):])
		}
	}
	return text.String()
}

// Stop ends the broker in good order.
func (c *Cluster) Stop() error { return c.end(syscall.SIGTERM) }

// Kill ends the broker as a crash does.
func (c *Cluster) Kill() error { return c.end(syscall.SIGKILL) }

func (c *Cluster) end(s syscall.Signal) error {
	select {
	case <-c.exited:
		return nil
	default:
	}
	if err := c.signal(s); err != nil {
		return err
	}
	select {
	case <-c.exited:
		return nil
	case <-time.After(startLimit):
		return errors.Join(fmt.Errorf("stop Kafka %s: still there after %v", c.ID, startLimit), c.signal(syscall.SIGKILL))
	}
}

// Pause stops the broker's processor time; its connections stay open. Stop and Kill need Continue first.
func (c *Cluster) Pause() error { return c.signal(syscall.SIGSTOP) }

// Continue ends Pause.
func (c *Cluster) Continue() error { return c.signal(syscall.SIGCONT) }

func (c *Cluster) signal(s syscall.Signal) error {
	if err := c.process.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal Kafka %s: %w", c.ID, err)
	}
	return nil
}
