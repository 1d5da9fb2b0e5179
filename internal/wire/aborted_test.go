package wire

import "testing"

func TestAbortedFilter(t *testing.T) {
	var f Aborted
	f.Reset([]AbortedTxn{{ProducerID: 7, FirstOffset: 50}, {ProducerID: 7, FirstOffset: 10}, {ProducerID: 8, FirstOffset: 12}})
	check := func(producer int64, want bool) {
		t.Helper()
		if got := f.has(producer); got != want {
			t.Errorf("producer %d aborted = %v, want %v", producer, got, want)
		}
	}
	f.reach(9)
	check(7, false)
	f.reach(10)
	check(7, true)
	check(8, false)
	f.reach(20)
	check(8, true)
	f.end(7) // the abort marker of the first transaction
	check(7, false)
	check(8, true)
	f.end(99)
	f.reach(55)
	check(7, true)
	f.Reset(nil)
	check(8, false)

	// The broker lists a transaction twice, or compaction took the marker between two.
	f.Reset([]AbortedTxn{{ProducerID: 7, FirstOffset: 10}, {ProducerID: 7, FirstOffset: 10}})
	f.reach(20)
	f.end(7)
	check(7, false)
}
