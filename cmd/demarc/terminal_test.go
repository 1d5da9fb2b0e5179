package main

import (
	"bytes"
	"os"
	"testing"
)

func TestNoTerminalNoProgress(t *testing.T) {
	var b bytes.Buffer
	for _, term := range []*terminal{newTerminal(&b), newTerminal(pipe(t))} {
		if term.screen {
			t.Fatal("taken for a terminal")
		}
		term.show("1 record/s")
	}
	term := newTerminal(&b)
	if _, err := term.Write([]byte("line\n")); err != nil || b.String() != "line\n" {
		t.Errorf("log = %q, %v", b.String(), err)
	}
}

func pipe(t *testing.T) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return w
}

func TestLogLinesStandAboveTheProgressLine(t *testing.T) {
	var b bytes.Buffer
	term := &terminal{w: &b, screen: true, line: "42 records/s"}
	if n, err := term.Write([]byte("sink is down\n")); n != 13 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if want := eraseLine + "sink is down\n" + "42 records/s"; b.String() != want {
		t.Errorf("screen = %q, want %q", b.String(), want)
	}
}
