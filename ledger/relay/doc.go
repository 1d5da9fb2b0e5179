// Package relay carries entries from several instances to the one process that writes the log.
//
// # The path
//
// Each instance has an [Appender]. It puts the entries of what it has delivered into an entries topic, and the source
// offsets are committed only after that. One [Sequencer] reads the topic and appends to the log, each entry with the
// place that it came from (via). The topic holds the canonical bytes of FORMAT.md, without via.
//
// # Ranges tile
//
// A lane is owned by one instance at a time, and has a transactional id of its own. Whoever takes a lane over first
// runs InitProducerID for that id: from there on an earlier owner cannot append, and what it had not committed is
// aborted. Only then does the new owner read where the entries end, and begin there. Neither clocks nor the consumer
// group are trusted for this: a process that wakes up after an hour cannot write past the fence.
//
// The sequencer relies on none of it. It accepts a range only where the log ends for its partition, waits for one that
// begins above, tells one that lies below as a replay, and refuses any other overlap aloud.
//
// # One log
//
// Before a checkpoint is signed, its size and root go into a checkpoints topic, in a transaction of the sequencer's id;
// it is signed only if that commits. Of two sequencers with copies of one folder the later one fences the earlier,
// which then signs nothing more; and one whose folder is older than the newest record does not start.
//
// # What a crash costs
//
//   - An instance before its transaction commits: the entries are aborted when its lanes are taken over, or when the
//     transaction times out; the records are delivered again.
//   - An instance after that, before the source offsets are committed: nothing; the next owner begins where the entries
//     end.
//   - The sequencer at any step: nothing; it reads the topic again from the place that the newest checkpoint record
//     names, and the log knows what it holds.
//   - The checkpoints topic emptied: the next start reads the entries topic from its beginning, and nothing tells an
//     old copy of the folder from the newest.
//
// # What it costs, and what it does not cover
//
// A transaction is three requests, about 10 ms on one busy broker; a lane has one at a time, with all that came
// meanwhile in the next. A lane that is taken over reads the topic from its end back to the last entry of each of its
// partitions; a partition without entries makes it read all of the topic, one answer of its brokers in memory at a time.
//
// The fence is between owners of one lane of one source cluster. Instances with another number of lanes, or of another
// group, have other transactional ids: what they append for the same partitions is found by the sequencer, as a replay or
// as an overlap that it refuses. The topic's number of partitions may change only while no instance runs and the
// sequencer has taken what it holds: a log that knows nothing of a source partition begins with whichever of its entries
// it meets first.
package relay
