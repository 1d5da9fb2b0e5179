//go:build linux

// Command bench measures what routing a record costs: demarc with each kind of signal, codec, count of sinks and
// so on, beside the same work written with other clients (bench/peers) and beside floors that decide nothing
// (bench/floor). It starts a broker, fills source topics with generated events, lets the subjects route them in
// turn, several times each, and counts at the sinks whether every record arrived. Run it in the repository's root:
//
//	go run ./bench                            all of it, about forty minutes, results on standard output
//	go run ./bench -results bench/RESULTS.md  the same, written there, with the plot beside it
//	go run ./bench -quick -groups peers       a part of it, and small
//	go run ./bench -check                     only: has demarc become slower, compared with a floor in the same run?
//
// All subjects are measured from outside and alike. What a process has used is read from its processor-time clock,
// how far it has come from the end offsets of its sinks, both many times a second. What a record costs in the
// steady state is the slope between the moments at which 40 % and 90 % of the records are at their sinks: start-up
// is no part of it, nor is work that is under way at either moment. Programs in Java are given until 60 %.
package main
