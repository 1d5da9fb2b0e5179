package main

import (
	"fmt"
	"io"
	"os"

	"github.com/demarc/demarc/classifier"
)

type checkCmd struct {
	Policy string `arg:"" help:"Policy file."`
}

func (checkCmd) Help() string {
	return `Prints FILE:LINE:COL: message for every fault on standard output and exits 1; a policy that loads prints one line and exits 0. Warnings go to standard error and change nothing.

Example:

    demarc check policy.yaml`
}

func (cmd checkCmd) Run(s *streams) error {
	p, faults, err := readPolicy(cmd.Policy)
	if err != nil {
		return err
	}
	for _, f := range faults {
		to := s.out
		if f.Warning {
			to = s.err
		}
		if _, err := fmt.Fprintln(to, f); err != nil {
			return fmt.Errorf("write faults: %w", err)
		}
	}
	if p == nil {
		return answerNo()
	}
	_, err = fmt.Fprintf(s.out, "%s: good: version %d, sha256 %x, %d jurisdictions, %d sinks\n",
		cmd.Policy, p.Version, p.Hash, len(p.Jurisdictions), len(p.Sinks))
	return err
}

// maxPolicy is far beyond any policy that people write: a device or a data file given by mistake ends here.
const maxPolicy = 16 << 20

// readPolicy loads a policy file. Without an error either the policy is there or a fault that is no warning.
func readPolicy(path string) (*classifier.Policy, []classifier.Fault, error) {
	text, err := readFile(path, maxPolicy)
	if err != nil {
		return nil, nil, fmt.Errorf("read policy: %w", err)
	}
	p, faults := classifier.Load(path, text)
	return p, faults, nil
}

// loadPolicy is for commands that need a good policy. The faults of a bad one go to standard error; the warnings
// about a good one are returned.
func loadPolicy(path string, s *streams) (*classifier.Policy, []classifier.Fault, error) {
	p, faults, err := readPolicy(path)
	if err != nil {
		return nil, nil, err
	}
	if p != nil {
		return p, faults, nil
	}
	for _, f := range faults {
		fmt.Fprintln(s.err, f)
	}
	return nil, nil, usageError(fmt.Errorf("load policy %s: it has faults, see above", path))
}

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, usageError(fmt.Errorf("%s is larger than %s", path, size(limit)))
	}
	return data, nil
}
