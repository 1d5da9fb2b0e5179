package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Help() string {
	return "Example:\n\n    demarc version"
}

func (versionCmd) Run(s *streams) error {
	_, err := fmt.Fprintln(s.out, version())
	return err
}

// version is what the Go linker knows of this binary: module version, commit, toolchain.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "demarc (no build information)"
	}
	line := "demarc " + info.Main.Version
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			line += " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			line += " (modified)"
		}
	}
	return line + " " + info.GoVersion
}
