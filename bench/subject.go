//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// subject is a program that routes a source topic.
type subject struct {
	name string
	// build makes the program and gives the last line that this printed. The error is errSkipped where this
	// machine cannot.
	build func(ctx context.Context, out string) (said string, err error)
	// command makes the process that routes up to the end that the topic has now, or so many records as the run says.
	command func(binary string, r *run) (*exec.Cmd, error)
	routes  bool // it takes routings; the others decide what threeHomes(jsonAndIP) does, or nothing
	jvm     bool // it is slow until it is compiled, while it runs
}

// run is one run of a subject.
type run struct {
	name    string // also the consumer group and the prefix of the sink topics
	topic   string
	routing *routing
	broker  *broker
	records int64 // to end after; 0: at the end that the topic has when the subject starts
	geo     string
	dir     string
	listen  string // where the subject may show metrics
}

// errSkipped is the error of a subject that cannot be built here.
var errSkipped = errors.New("skipped")

// subjects in the order of the tables.
var subjects = []*subject{
	{name: "wire floor", build: goBuild("./bench/floor"), command: floor("-same")},
	{name: "floor", build: goBuild("./bench/floor"), command: floor()},
	{name: "demarc", build: goBuild("./cmd/demarc"), command: demarc, routes: true},
	{name: "demarc with a ledger", build: goBuild("./cmd/demarc"), command: witnessed, routes: true},
	peer("kafkago"), withArgs("kafkago-defaults", peer("kafkago"), "-defaults"), peer("franzgo"), peer("librdkafka"), inJava(peer("java")), inJava(peer("streams")),
}

func findSubject(name string) *subject {
	for _, s := range subjects {
		if s.name == name {
			return s
		}
	}
	return nil
}

// theDemarc is the subject whose variants are measured; theUntuned is there to show what tuning is worth, once.
var (
	theDemarc  = findSubject("demarc")
	theUntuned = findSubject("kafkago-defaults")
)

func goBuild(pkg string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, out string) (string, error) {
		if text, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
		return "", nil
	}
}

func demarc(binary string, r *run) (*exec.Cmd, error) {
	file := filepath.Join(r.dir, r.name+".yaml")
	if err := os.WriteFile(file, []byte(r.routing.policy(r.name, r.broker.address, r.broker.id)), 0o644); err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	cmd := exec.Command(binary, "run", file)
	if r.records == 0 {
		cmd.Args = append(cmd.Args, "--until-end")
	}
	cmd.Env = append(withoutSettings(os.Environ()), "DEMARC_BROKERS="+r.broker.address, "DEMARC_TOPICS="+r.topic,
		"DEMARC_GROUP="+r.name, "DEMARC_START=earliest", "DEMARC_LISTEN="+r.listen) // its own geo database is the one that the others are given
	return cmd, nil
}

// withoutSettings drops settings of demarc that the caller happens to have: a benchmark is of the defaults.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "DEMARC_") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// peerArgs is what peers and floors are called with.
func peerArgs(r *run) []string {
	args := []string{"-broker", r.broker.address, "-topic", r.topic, "-group", r.name, "-sinks", r.name, "-geo", r.geo}
	if r.records > 0 {
		args = append(args, "-records", fmt.Sprint(r.records))
	}
	return args
}

func floor(args ...string) func(string, *run) (*exec.Cmd, error) {
	return func(binary string, r *run) (*exec.Cmd, error) {
		return exec.Command(binary, append(args, peerArgs(r)...)...), nil
	}
}

// peerMissing is the exit status of a peer's build.sh where a toolchain is missing; its last line says which.
const peerMissing = 3

// peer is a subject in a folder of bench/peers. Its build.sh makes a program, or a script that ends in exec: what
// is measured is the process that is started, not those that it starts. A peer whose latency is measured takes
// -records too.
func peer(name string) *subject {
	return &subject{
		name: name,
		build: func(ctx context.Context, out string) (string, error) {
			text, err := exec.CommandContext(ctx, "bash", filepath.Join("bench/peers", name, "build.sh"), out).CombinedOutput()
			failed, ended := errors.AsType[*exec.ExitError](err)
			switch {
			case err == nil:
				return lastLine(text), nil
			case ended && failed.ExitCode() == peerMissing:
				return "", fmt.Errorf("%w: %s", errSkipped, lastLine(text))
			}
			return "", fmt.Errorf("build peer %s: %w\n%s", name, err, text)
		},
		command: func(binary string, r *run) (*exec.Cmd, error) { return exec.Command(binary, peerArgs(r)...), nil },
	}
}

func inJava(s *subject) *subject {
	s.jvm = true
	return s
}

// steadyFrom is the share of the records after which a subject is in its steady state.
func (s *subject) steadyFrom() float64 {
	if s.jvm {
		return steadyFromJVM
	}
	return steadyFrom
}

// withArgs is another subject of the same program.
func withArgs(name string, s *subject, args ...string) *subject {
	return &subject{name: name, build: s.build, command: func(binary string, r *run) (*exec.Cmd, error) {
		cmd, err := s.command(binary, r)
		if err == nil {
			cmd.Args = append(cmd.Args, args...)
		}
		return cmd, err
	}}
}

// colours are what some programs write to a terminal that is none.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(colours.ReplaceAllString(string(text), "")), "\n")
	return lines[len(lines)-1]
}
