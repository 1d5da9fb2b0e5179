// Command demarc reads records from Kafka, decides under whose jurisdiction each record's user falls and writes
// it only to a sink inside that jurisdiction. This package is wiring: arguments, environment, signals, exit codes.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the grammar of the command line: one subcommand per file.
type cli struct {
	Run        runCmd        `cmd:"" help:"Run the service: read, decide, deliver, until stopped."`
	Demo       demoCmd       `cmd:"" help:"Show the whole path on an embedded broker; needs nothing else."`
	Check      checkCmd      `cmd:"" help:"Say whether a policy would load; name every fault."`
	Explain    explainCmd    `cmd:"" help:"Decide one record, its value read from standard input, and say why."`
	Test       testCmd       `cmd:"" help:"Run a policy's cases."`
	Config     configCmd     `cmd:"" help:"Print every setting: effective value, default, meaning."`
	Cat        catCmd        `cmd:"" help:"Print the records of a file sink's directory, one JSON object a line."`
	Ledger     ledgerCmd     `cmd:"" help:"Make a ledger."`
	Sequence   sequenceCmd   `cmd:"" help:"Put the evidence of several instances into one ledger."`
	Verify     verifyCmd     `cmd:"" help:"Check a ledger: signatures, hashes, entries, and that they fit together."`
	Claim      claimCmd      `cmd:"" help:"Judge a claim on a ledger: where the records of a jurisdiction went."`
	Recount    recountCmd    `cmd:"" help:"Read the sinks again and hold a ledger against them."`
	Report     reportCmd     `cmd:"" help:"Say what share of the records went where and why, from a ledger."`
	Gap        gapCmd        `cmd:"" help:"Pass over source records that cannot be had, by your explicit word."`
	Completion completionCmd `cmd:"" help:"Print a shell's completion script."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

const description = `Routes Kafka records to sinks inside the jurisdiction of each record's user, and quarantines what it cannot decide.

Exit codes: 0 yes, 1 the answer is no, 2 usage or configuration, 3 could not find out (network, disk).`

func main() {
	os.Exit(run(os.Args[1:], &streams{program: os.Args[0], in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}))
}

// streams are the process's surroundings, handed to every subcommand.
type streams struct {
	program  string // the name that it was called by
	in       io.Reader
	out, err io.Writer
	environ  []string // "NAME=value"
}

// run is the whole program but for the process around it; it returns the exit code.
func run(args []string, s *streams) int {
	var c cli
	answered := false // by --help or --version
	parser, err := newParser(&c, s, func(int) { answered = true })
	if err != nil {
		fmt.Fprintln(s.err, "demarc:", err)
		return exitUsage
	}
	ctx, err := parser.Parse(asFlag(args))
	if answered {
		return exitYes
	}
	if err != nil {
		// "" stands for a flag that is left out, and is nothing to write.
		fmt.Fprintln(s.err, "demarc:", strings.Replace(err.Error(), `must be one of "",`, "must be one of ", 1))
		if len(args) > 0 && !knows(parser.Model, args[0]) {
			fmt.Fprintf(s.err, "The commands are %s.\n", strings.Join(commands(parser.Model), ", "))
		}
		fmt.Fprintf(s.err, "Run `%s --help` to see what there is.\n", strings.Join(append([]string{"demarc"}, commandOf(err)...), " "))
		return exitUsage
	}
	err = ctx.Run(s, ctx.Model)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(s.err, "demarc:", strings.ReplaceAll(err.Error(), "\n", "\ndemarc: "))
	}
	return exitCode(err)
}

// commandOf is the command that a faulty command line is one of, nothing if it names none.
func commandOf(err error) (names []string) {
	if faulty, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range faulty.Context.Path {
			if step.Command != nil {
				names = append(names, step.Command.Name)
			}
		}
	}
	return names
}

// asFlag turns "help" and "help COMMAND" into what the parser knows: --help after the command.
func asFlag(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}

func commands(app *kong.Application) (names []string) {
	for _, n := range app.Children {
		names = append(names, n.Name)
	}
	return names
}

// knows reports whether a command line that begins with word names a command, or is about flags.
func knows(app *kong.Application, word string) bool {
	return strings.HasPrefix(word, "-") || slices.Contains(commands(app), word)
}

func newParser(c *cli, s *streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("demarc"),
		kong.Description(description),
		kong.Writers(s.out, s.err),
		kong.Exit(exit),
		kong.Vars{"version": version()},
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
}
