package main

import (
	"io"
	"log/slog"
)

// newLogger writes the log in the form that the settings ask for. Nothing that a record holds is ever logged:
// no payload, key, address or user id.
func newLogger(w io.Writer, s *settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of slog's own names, already checked
	options := &slog.HandlerOptions{Level: level}
	if s.Log == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
