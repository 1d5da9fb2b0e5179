// Package recount holds a ledger against what the sinks really hold: it reads their bytes again, compares them with
// every receipt, and decides every record once more. README.md beside this file says what each number means, what a
// sample proves, and the form of the result that other commands read.
//
// It trusts neither the ledger, which it verifies first, nor the sinks: places are only those that the caller names,
// and pins are checked on every connection. Its memory does not grow with the ledger: receipts wait on the disk.
package recount
