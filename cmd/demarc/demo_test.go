package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	r := call{args: []string{"demo", "--records", "20000", "--dir", dir}}.run(t)
	r.want(t, 0, "Each of the 20,000 records is there", "")
	for _, want := range []string{
		" US 100.0000 % of ", "EEA 100.0000 % of ", "ROW 100.0000 % of ", "US+EEA 100.0000 % of ",
		"quarantined: ", "ambiguous", "no_location", "records/s", "of 20,000 records",
		"which verifies with its key alone", "were decided US", "went to us-oci", "one byte of a copy", "its bytes are not those",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, r.out)
		}
	}
	_, next, ok := strings.Cut(r.out, "try next:\n")
	if !ok || strings.Count(next, "\n") < 7 {
		t.Fatalf("no commands to try:\n%s", r.out)
	}
	for command := range strings.Lines(next) {
		if !strings.Contains(command, binary+" ") {
			t.Errorf("%q does not call the binary as it was called", command)
		}
		command = strings.TrimSpace(command)
		if strings.Contains(command, " claim ") {
			command += " || [ $? = 1 ]" // what is quarantined counts against it
		}
		if out := shell(t, dir, command); out == "" {
			t.Errorf("%s prints nothing", command)
		}
	}
}

func TestDemoRefuses(t *testing.T) {
	call{args: []string{"demo", "--records", "0"}}.run(t).want(t, 2, "", "--records=0: want at least 1")
	call{args: []string{"demo", "--records", "many"}}.run(t).want(t, 2, "", "--records")
	call{args: []string{"demo", "--dir", t.TempDir()}}.run(t).want(t, 2, "", "file exists")
	call{args: []string{"demo"}, env: []string{"DEMARC_TOPICS=events"}}.run(t).want(t, 2, "", "DEMARC_TOPICS is set")
}

func TestCatRefuses(t *testing.T) {
	dir := t.TempDir()
	call{args: []string{"cat", filepath.Join(dir, "none")}}.run(t).want(t, 2, "", "no such file")
	call{args: []string{"cat", write(t, dir, "file", "")}}.run(t).want(t, 2, "", "not a directory")
	call{args: []string{"cat", dir}}.run(t).want(t, 0, "", "holds no record")
	if err := os.Mkdir(filepath.Join(dir, "events-0"), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "events-0"), "00000000000000000000.0000000000000abc.log", "no batch at all, and long enough to look like a header of one, which takes 61 bytes")
	call{args: []string{"cat", dir}}.run(t).want(t, 3, "", "00000000000000000000.0000000000000abc.log")
}
