package main

import (
	"io"
	"log/slog"
	"time"
)

// newLogger writes the log in the form that the settings ask for. Nothing that a record holds is ever logged:
// no payload, key, address or user id.
func newLogger(w io.Writer, s *settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of slog's own names, already checked
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: roundDuration}
	if s.Log == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// roundDuration leaves of a duration what a person reads: milliseconds, or microseconds below one second.
func roundDuration(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	unit := time.Millisecond
	if a.Value.Duration() < time.Second {
		unit = time.Microsecond
	}
	return slog.Duration(a.Key, a.Value.Duration().Round(unit))
}
