package main

import (
	"bufio"
	"fmt"

	"github.com/demarc/demarc/sinks"
)

type catCmd struct {
	Dir string `arg:"" help:"Directory of a file sink."`
}

func (catCmd) Help() string {
	return `Prints every record as one JSON object a line, ordered by source topic, partition and number, also while demarc writes to the directory. Keys, values and header values that are not UTF-8 show as {"base64": "..."}.

Example:

    demarc cat /var/lib/demarc/quarantine | grep '"demarc-reason","no_signal"'`
}

func (cmd catCmd) Run(s *streams) error {
	w := bufio.NewWriterSize(s.out, 64<<10)
	var line []byte
	empty := true
	err := sinks.ReadDir(cmd.Dir, func(r sinks.StoredRecord) (err error) {
		empty = false
		if line, err = r.AppendJSON(line[:0]); err == nil {
			_, err = w.Write(line)
		}
		return err
	})
	if flushed := w.Flush(); err == nil {
		err = flushed // what stands before a damaged place is printed in any case
	}
	if err != nil {
		return fmt.Errorf("print %s: %w", cmd.Dir, err)
	}
	if empty {
		fmt.Fprintf(s.err, "demarc: %s holds no record; a file sink's directory has one for each source partition, such as events-0\n", cmd.Dir)
	}
	return nil
}
