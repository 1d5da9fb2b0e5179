package main

import (
	"strings"
	"testing"
	"time"
)

func TestLogRoundsDurations(t *testing.T) {
	var out strings.Builder
	newLogger(&out, &settings{Log: "text", LogLevel: "info"}).Info("back", "after", 1234567891*time.Nanosecond, "in", 1234567*time.Nanosecond)
	if !strings.HasSuffix(out.String(), "after=1.235s in=1.235ms\n") {
		t.Errorf("log = %q", out.String())
	}
}
