// Package dashboard shows a running service to people and to scripts, and a ledger folder to verifiers. All of it is
// read-only and made of files inside the binary: nothing is loaded from another host.
//
//	/             the page: what share goes where and why, quarantine, sinks and their pins, lag, the last checkpoint
//	/status.json  the same numbers, a Status
//	/ledger/      the public files of a ledger folder (Tiles)
//
// The numbers are those of router.Accounts, from which the metrics are fed too; shares are written by ledger/share,
// which never rounds up. Without JavaScript the page is a complete snapshot, except for speeds, which need two
// readings; with it, it asks for /status.json every second while it is in view.
//
// Nothing of a record is ever shown: no payload, key, header, address or user id. What does appear are names of the
// policy, topics, the places of sinks, their pins, and the errors of sinks and partitions, as in /readyz.
package dashboard
