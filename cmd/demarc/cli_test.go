package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"
)

// binary is the real demarc, built once.
var binary string

func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // tests open ledgers in this process too
	dir, err := os.MkdirTemp("", "demarc-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "demarc")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build demarc: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// result is what a finished process leaves.
type result struct {
	code     int
	out, err string
}

// call is one run of the binary. Its environment holds nothing but env.
type call struct {
	args  []string
	env   []string
	stdin string
	dir   string
}

func (c call) run(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // far beyond any call that ends
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdin = append([]string{"HOME=" + os.TempDir()}, c.env...), c.dir, strings.NewReader(c.stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{code: cmd.ProcessState.ExitCode(), out: out.String(), err: errOut.String()}
}

// want compares exit code and streams; each text must occur, and an empty one means that the stream is empty.
func (r result) want(t *testing.T, code int, out, err string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.err)
	}
	for stream, pair := range map[string][2]string{"stdout": {r.out, out}, "stderr": {r.err, err}} {
		if !strings.Contains(pair[0], pair[1]) || (pair[1] == "") != (pair[0] == "") {
			t.Errorf("%s = %q, want %q in it", stream, pair[0], pair[1])
		}
	}
}

// write puts a file into a test's directory and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{nil, 2, "", `demarc: expected one of "run"`},
		{[]string{"frobnicate"}, 2, "", "demarc: unexpected argument frobnicate"},
		{[]string{"frobnicate", "x"}, 2, "", "The commands are run, demo, check,"},
		{[]string{"help"}, 0, "Exit codes: 0 yes", ""},
		{[]string{"help", "explain"}, 0, "Usage: demarc explain", ""},
		{[]string{"help", "frobnicate"}, 2, "", "unexpected argument frobnicate"},
		{[]string{"explain", goodPolicy, "--header", "account-country: US"}, 2, "", "write account-country=US"},
		{[]string{"explain", goodPolicy, "--header", "a b"}, 2, "", "want NAME=VALUE"},
		{[]string{"gap", "events/0", "--to", "5", "--reason", "lost\nand more"}, 2, "", "one line of text"},
		{[]string{"explain", goodPolicy, "--header", "=US"}, 2, "", "want NAME=VALUE"},
		{[]string{"explain", goodPolicy, "--header", ""}, 2, "", "want NAME=VALUE"},
		{[]string{"explain", goodPolicy, "--null", "--header", "a: b=c"}, 0, "{", ""},
		{[]string{"check"}, 2, "", `expected "<policy>"`},
		{[]string{"check", "a", "b"}, 2, "", "unexpected argument b"},
		{[]string{"check", "--strict", "a"}, 2, "", "unknown flag --strict"},
		{[]string{"test", "policy.yaml"}, 2, "", `expected "<cases> ..."`},
		{[]string{"report", "ledger", "--by", "week"}, 2, "", `--by must be one of "hour","day" but got "week"`},
		{[]string{"completion", "tcsh"}, 2, "", `must be one of "bash","zsh","fish"`},
		{[]string{"explain", "--now", "yesterday", "p"}, 2, "", "--now"},
		{[]string{"--help"}, 0, "Exit codes: 0 yes, 1 the answer is no", ""},
		{[]string{"--version"}, 0, "demarc ", ""},
		{[]string{"version"}, 0, "go1.", ""},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			call{args: tc.args}.run(t).want(t, tc.code, tc.out, tc.err)
		})
	}
}

// TestEveryHelpShowsAnExample takes the subcommands from the binary's own completion, so that none is forgotten.
func TestEveryHelpShowsAnExample(t *testing.T) {
	commands := subcommands(t)
	if len(commands) < 9 {
		t.Fatalf("subcommands = %v", commands)
	}
	for _, name := range commands {
		r := call{args: []string{name, "--help"}}.run(t)
		if r.code != 0 || r.err != "" || !strings.Contains(r.out, "Example:") || !strings.Contains(r.out, "demarc "+name) {
			t.Errorf("demarc %s --help: code %d, no example:\n%s%s", name, r.code, r.out, r.err)
		}
	}
}

func subcommands(t *testing.T) []string {
	r := call{args: []string{"completion", "fish"}}.run(t)
	var names []string
	for line := range strings.Lines(r.out) {
		if _, rest, ok := strings.Cut(line, "__fish_use_subcommand -f -a "); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	return names
}

func TestBashCompletes(t *testing.T) {
	script := call{args: []string{"completion", "bash"}}.run(t).out
	for line, want := range map[string]string{
		"demarc ch":                "check",
		"demarc explain --to":      "--topic",
		"demarc completion z":      "zsh",
		"demarc check completion_": "completion_me.yaml",
	} {
		words := strings.Split(line, " ")
		dir := t.TempDir()
		write(t, dir, "completion_me.yaml", "")
		cmd := exec.Command("bash", "-c", script+`
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _demarc; echo "${COMPREPLY[*]}"`, "bash")
		cmd.Args, cmd.Dir = append(cmd.Args, words...), dir
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q completes to %q (%v), want %q", line, out, err, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text := call{args: []string{"completion", shell}}.run(t).out
		for _, name := range subcommands(t) {
			if !strings.Contains(text, name) {
				t.Errorf("%s completion lacks %s", shell, name)
			}
		}
	}
}

// TestFullDisk gives every command that prints a device without room.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{
		{"check", goodPolicy}, {"explain", goodPolicy, "--null"}, {"config"}, {"config", "--json"}, {"completion", "bash"}, {"version"},
	} {
		cmd := exec.Command(binary, args...)
		cmd.Stdout = full
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitUnknown {
			t.Errorf("%v: code %d, want %d", args, cmd.ProcessState.ExitCode(), exitUnknown)
		}
	}
}
