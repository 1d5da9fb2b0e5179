package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// block is a fenced block of README.md with what the comment before it says: "file: NAME" or "tested".
type block struct {
	mark string
	text string
}

func readmeBlocks(t *testing.T) (blocks []block) {
	t.Helper()
	mark, inside := "", false
	for line := range strings.Lines(mustRead(t, "../../README.md")) {
		switch {
		case strings.HasPrefix(line, "```") && inside:
			inside, mark = false, ""
		case strings.HasPrefix(line, "```"):
			inside = true
			blocks = append(blocks, block{mark: mark})
		case inside:
			blocks[len(blocks)-1].text += line
		case strings.HasPrefix(line, "<!-- "):
			mark = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "<!-- "), " -->")
		}
	}
	return blocks
}

// TestReadme runs the commands of the README's tested blocks, lines that begin with "$ ", in a directory with its
// files, and compares what they print with what the README says. There, "..." stands for what differs from run to run,
// and a line of it for any lines; the broker at localhost:9092 is an embedded one.
func TestReadme(t *testing.T) {
	dir := t.TempDir()
	broker := readmeBroker(t)
	tested := 0
	for _, b := range readmeBlocks(t) {
		if name, ok := strings.CutPrefix(b.mark, "file: "); ok {
			write(t, dir, name, strings.ReplaceAll(b.text, "localhost:9092", broker))
		}
	}
	produceLines(t, broker, mustRead(t, filepath.Join(dir, "events.jsonl")))
	for _, b := range readmeBlocks(t) {
		if b.mark != "tested" {
			continue
		}
		var got strings.Builder
		for line := range strings.Lines(b.text) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			tested++
			got.WriteString(line)
			got.WriteString(shell(t, dir, strings.ReplaceAll(command, "localhost:9092", broker)))
		}
		if !elided(b.text).MatchString(got.String()) {
			t.Errorf("README.md (-says +is):\n%s", cmp.Diff(b.text, got.String()))
		}
	}
	if tested < 10 {
		t.Errorf("%d commands of the README are tested", tested)
	}
}

// elided is a text with "..." as a pattern.
func elided(text string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(text)
	pattern = strings.ReplaceAll(pattern, "\n"+regexp.QuoteMeta("...")+"\n", `\n(?s:.*)`)
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, regexp.QuoteMeta("..."), ".+") + "$")
}

// readmeBroker starts a broker with the topics of the README's quick start.
func readmeBroker(t *testing.T) (address string) {
	t.Helper()
	c, err := devbroker.Start("readme", []devbroker.Topic{{Name: "events", Partitions: 1}, {Name: "events.us", Partitions: 1}, {Name: "events.other", Partitions: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Brokers()[0]
}

// produceLines writes each line of a text as a record, as kafka-console-producer.sh does.
func produceLines(t *testing.T, broker, text string) {
	t.Helper()
	var records []*kgo.Record
	for line := range strings.Lines(text) {
		records = append(records, &kgo.Record{Topic: "events", Value: []byte(strings.TrimSuffix(line, "\n"))})
	}
	if err := devbroker.Produce(t.Context(), []string{broker}, records); err != nil {
		t.Fatal(err)
	}
}

// shell runs a command line with demarc on the path and returns its standard output.
func shell(t *testing.T, dir, command string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -o pipefail; "+command)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "DEMARC_LISTEN=127.0.0.1:0"}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

func TestReadmeNamesWhatThereIs(t *testing.T) {
	text := mustRead(t, "../../README.md")
	for _, name := range []string{"LICENSE", "NOTICE", "classifier/README.md", "router/README.md", "sinks/README.md", "ledger/README.md"} {
		if !strings.Contains(text, name) {
			t.Errorf("README.md does not mention %s", name)
		}
	}
	rows := mustConfigure(t)
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "DEMARC_")
		if !ok {
			break
		}
		end := strings.IndexFunc(after, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' })
		if name := "DEMARC_" + after[:end]; !rows[name] && !namesSink(name) {
			t.Errorf("README.md names %s, which is no setting", name)
		}
		rest = after
	}
}

// TestReadmeProofsExist holds the table of guarantees to tests that there are.
func TestReadmeProofsExist(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, "_test.go") {
			tests.WriteString(mustRead(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(mustRead(t, "../../README.md"), -1)
	if len(names) < 8 {
		t.Errorf("the guarantees name %d tests", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("README.md names %s, which is no test", name[1])
		}
	}
}

func mustConfigure(t *testing.T) map[string]bool {
	t.Helper()
	c, err := configure(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range c.Rows {
		names[r.Name] = true
	}
	return names
}
