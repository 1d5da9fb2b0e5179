package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// terminal shares a terminal between lines that stay (the log) and one last line that is written over (the
// progress). With no terminal behind it the last line is never written.
type terminal struct {
	mu     sync.Mutex
	w      io.Writer
	screen bool
	line   string
}

// newTerminal takes over w, a process's standard error.
func newTerminal(w io.Writer) *terminal {
	t := &terminal{w: w}
	if f, ok := w.(*os.File); ok {
		_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		t.screen = err == nil
	}
	return t
}

// eraseLine moves to the first column and clears to the end of the line (ECMA-48).
const eraseLine = "\r\x1b[K"

// Write writes lines that stay, above the progress line.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" {
		return t.w.Write(p)
	}
	if _, err := io.WriteString(t.w, eraseLine); err != nil {
		return 0, err
	}
	n, err := t.w.Write(p)
	if err == nil {
		_, err = io.WriteString(t.w, t.line)
	}
	return n, err
}

// show replaces the progress line; an empty one removes it. It stays one line: what is wider than the screen is cut.
func (t *terminal) show(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.screen {
		return
	}
	if runes := []rune(line); len(runes) >= t.width() {
		line = string(runes[:t.width()-1])
	}
	t.line = line
	_, _ = io.WriteString(t.w, eraseLine+line) // progress is not worth failing for
}

// width is the screen's width in columns, asked each time: windows are resized.
func (t *terminal) width() int {
	size, err := unix.IoctlGetWinsize(int(t.w.(*os.File).Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col < 2 {
		return 80
	}
	return int(size.Col)
}
