//go:build linux

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where and with what the benchmark ran.
type machine struct {
	cpu, kernel, memory string
	cores               int
	commit, command     string
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, Linux %s", m.cpu, m.cores, m.memory, m.kernel)
}

var (
	cpuName   = regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`)
	memoryKiB = regexp.MustCompile(`(?m)^MemTotal:\s*(\d+)`)
)

func thisMachine(ctx context.Context) machine {
	m := machine{cpu: runtime.GOARCH, cores: runtime.NumCPU(), kernel: "?", memory: "?", commit: commit(ctx)}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if found := cpuName.FindSubmatch(text); found != nil {
			m.cpu = string(found[1])
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if found := memoryKiB.FindSubmatch(text); found != nil {
			var kib int64
			_, _ = fmt.Sscan(string(found[1]), &kib) // digits
			m.memory = fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
		}
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.kernel = unix.ByteSliceToString(name.Release[:])
	}
	m.command = "go run ./bench"
	for _, arg := range os.Args[1:] {
		if strings.ContainsAny(arg, " ") {
			arg = "'" + arg + "'"
		}
		m.command += " " + arg
	}
	return m
}

// commit is the one that is checked out, with a word when files differ from it.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	id := strings.TrimSpace(string(head))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no", "--", "*.go", "*.mod").Output()
	if err != nil || len(changed) > 0 {
		id += ", changed"
	}
	return id
}

// clients are the modules by whose version a program in Go is known.
var clients = []string{"github.com/segmentio/kafka-go", "github.com/twmb/franz-go"}

// versionOf says what a program is built with: for one in Go what is in it, for one in Java its jars, for another
// what its build said last.
func versionOf(ctx context.Context, binary, said string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return javaVersion(ctx, binary, said)
	}
	parts := []string{info.GoVersion}
	for _, dep := range info.Deps {
		for _, client := range clients {
			if dep.Path == client {
				parts = append(parts, filepath.Base(client)+" "+dep.Version)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// javaVersion looks for the clients among the jars that a peer in Java keeps beside its program.
func javaVersion(ctx context.Context, binary, otherwise string) string {
	jars, err := filepath.Glob(binary + ".d/libs/kafka-*.jar")
	if err != nil || len(jars) == 0 {
		return otherwise
	}
	var parts []string
	if text, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput(); err == nil {
		first, _, _ := strings.Cut(string(text), "\n")
		parts = append(parts, first)
	}
	for _, jar := range jars {
		parts = append(parts, strings.TrimSuffix(filepath.Base(jar), ".jar"))
	}
	return strings.Join(parts, ", ")
}
