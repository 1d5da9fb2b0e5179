package main

import (
	"errors"
	"fmt"

	"github.com/demarc/demarc/classifier"
)

type testCmd struct {
	Policy string   `arg:"" help:"Policy file."`
	Cases  []string `arg:"" help:"Cases files."`
	Geo    string   `placeholder:"FILE" help:"Geo database file; default: the embedded one."`
}

func (testCmd) Help() string {
	return `Prints a line for every failing case, then "N passed, N failed"; exits 1 if any failed. A case without "now" is decided at the geo database's build time.

Example:

    demarc test policy.yaml cases/*.yaml`
}

// maxCases is what one cases file may hold.
const maxCases = 64 << 20

func (cmd testCmd) Run(s *streams) error {
	p, _, err := loadPolicy(cmd.Policy, s)
	if err != nil {
		return err
	}
	geo, err := openGeo(cmd.Geo, p)
	if err != nil {
		return err
	}
	cases, err := cmd.load(s)
	if err != nil {
		return err
	}
	failures := classifier.New(p).RunCases(geo, cases)
	for _, f := range failures {
		if _, err := fmt.Fprintln(s.out, f); err != nil {
			return fmt.Errorf("print failing cases: %w", err)
		}
	}
	if _, err := fmt.Fprintf(s.out, "%d passed, %d failed\n", len(cases)-len(failures), len(failures)); err != nil {
		return err
	}
	if len(failures) > 0 {
		return answerNo()
	}
	return nil
}

// load reads all cases files. Their faults go to standard error, all at once.
func (cmd testCmd) load(s *streams) ([]classifier.Case, error) {
	var all []classifier.Case
	faulty := false
	for _, path := range cmd.Cases {
		text, err := readFile(path, maxCases)
		if err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		cases, faults := classifier.LoadCases(path, text)
		for _, f := range faults {
			faulty = true
			fmt.Fprintln(s.err, f)
		}
		all = append(all, cases...)
	}
	if faulty {
		return nil, usageError(errors.New("load cases: they have faults, see above"))
	}
	return all, nil
}
