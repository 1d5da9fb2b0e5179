package devbroker

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Traffic describes generated events. A record is a function of the traffic, its source partition and its
// number there, so that a judge can ask later what any record was.
type Traffic struct {
	Seed uint64

	// Mix weighs US, EEA and ROW. All zero: 40, 35, 25.
	Mix [3]int

	// Hostile and Roaming are per 10,000 records: those with a Fault, and those whose address is in another
	// home than their user.
	Hostile, Roaming int

	// Run is how many records in a row of one partition share a home: with batches of the same length every
	// batch is pure. 0: each record has a home of its own.
	Run int

	// Tagged has every record without a fault name its user's country twice: in the header AccountCountry and in
	// its document.
	Tagged bool

	// Size is about how many bytes a document has; 0: those 760. A smaller one is 100 bytes with no more than
	// identity, region and address, so that some faults cannot be told from its text; a larger one is the usual
	// one with more properties.
	Size int

	// Bare leaves out what line-based producers cannot write: headers, null and empty keys and values.
	Bare bool

	// Start is the time of record 0 of each partition, a later one comes a millisecond after. The zero time
	// stands for 2026-06-01.
	Start time.Time
}

// Truth says what a record is.
type Truth struct {
	Country string // of the user
	Home    string // of that country
	Seen    string // the country of the address; differs from Country only if the user roams
	Fault   Fault
}

// Roams reports whether the address lies in another home than the user's.
func (t Truth) Roams() bool { return t.Seen != t.Country }

// AccountCountry is the header that some events carry.
const AccountCountry = "account-country"

// Record makes the n-th record (from 0) of a source partition, about 760 bytes of JSON. Topic and partition are
// left to the caller.
func (t Traffic) Record(partition int32, n int64) (*kgo.Record, Truth) {
	r := random{state: t.Seed ^ uint64(partition)<<48 ^ uint64(n)}
	truth, user, seen := t.truth(&r, partition, n)
	start := t.Start
	if start.IsZero() {
		start = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	}
	e := event{
		id: appendID(nil, partition, n), user: user, seen: seen, at: start.Add(time.Duration(n) * time.Millisecond),
		named: truth.Fault != NoFault || truth.Roams() || r.below(10) < 8 || t.Tagged,
		sim:   truth.Fault != NoFault || r.below(10) < 7,
	}
	value := truth.Fault.spoil(e.document(&r, truth.Fault, t.Size), e.user)
	rec := &kgo.Record{Key: e.id, Value: value, Timestamp: e.at}
	if t.Bare {
		return rec, truth
	}
	if truth.Fault == NoFault && r.below(100) < 1 {
		rec.Key = nil
	}
	rec.Headers = headers(&r, truth, t.Tagged)
	return rec, truth
}

func (t Traffic) truth(r *random, partition int32, n int64) (truth Truth, user, seen *place) {
	mix := t.Mix
	if mix == [3]int{} {
		mix = [3]int{40, 35, 25}
	}
	homeDice := r
	if t.Run > 0 {
		homeDice = &random{state: t.Seed ^ uint64(partition)<<48 ^ uint64(n)/uint64(t.Run) ^ 1<<47}
	}
	home, at := 0, homeDice.below(mix[0]+mix[1]+mix[2])
	for at >= mix[home] {
		at -= mix[home]
		home++
	}
	user = pick(r, places.byHome[home])
	seen = user
	switch dice := r.below(10_000); {
	case dice < t.Hostile && t.Bare:
		truth.Fault = pick(r, bareFaults)
	case dice < t.Hostile:
		truth.Fault = pick(r, allFaults)
	case dice < t.Hostile+t.Roaming:
		seen = pick(r, places.byHome[(home+1+r.below(2))%3])
	}
	truth.Country, truth.Home, truth.Seen = user.country, homes[home], seen.country
	return truth, user, seen
}

func headers(r *random, truth Truth, tagged bool) []kgo.RecordHeader {
	account := kgo.RecordHeader{Key: AccountCountry, Value: []byte(truth.Country)}
	trace := kgo.RecordHeader{Key: "traceparent", Value: r.hex([]byte("00-"), 16)}
	switch {
	case truth.Fault == Tombstone:
		return nil
	case truth.Fault == RepeatedHeader:
		return []kgo.RecordHeader{account, trace, account}
	case truth.Fault == ReservedHeader:
		return []kgo.RecordHeader{trace, {Key: "demarc-reason", Value: []byte("decided")}}
	}
	switch dice := r.below(10); {
	case dice < 3 || tagged:
		return []kgo.RecordHeader{account, trace}
	case dice == 3:
		return []kgo.RecordHeader{trace, {Key: "tenant"}} // a null value
	}
	return nil
}

const idMark = `"event_id":"`

// appendID writes the identity of a record: source partition and number.
func appendID(b []byte, partition int32, n int64) []byte {
	b = strconv.AppendInt(b, int64(partition), 10)
	b = append(b, '-')
	for digits := int64(100_000_000); digits > 1 && n < digits; digits /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, n, 10)
}

// Identity reads back which record of which source partition a record was, from its key or, where that is
// null, from its value.
func Identity(key, value []byte) (partition int32, n int64, ok bool) {
	id := key
	if id == nil {
		_, rest, found := bytes.Cut(value, []byte(idMark))
		if !found {
			return 0, 0, false
		}
		id, _, _ = bytes.Cut(rest, []byte{'"'})
	}
	p, number, found := bytes.Cut(id, []byte{'-'})
	if !found {
		return 0, 0, false
	}
	p64, err := strconv.ParseInt(string(p), 10, 32)
	if err != nil {
		return 0, 0, false
	}
	n, err = strconv.ParseInt(string(number), 10, 64)
	return int32(p64), n, err == nil && n >= 0
}

// random is splitmix64: small, fast and the same everywhere.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// hex appends 2n hexadecimal digits.
func (r *random) hex(b []byte, n int) []byte {
	const digits = "0123456789abcdef"
	for range n {
		v := r.next()
		b = append(b, digits[v>>60], digits[v>>56&15])
	}
	return b
}

// address is a random address in prefix, not its first.
func (r *random) address(prefix netip.Prefix) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], r.next())
	binary.BigEndian.PutUint64(a[8:], r.next()|1)
	base := prefix.Addr().AsSlice()
	for i := range base {
		keep := min(max(prefix.Bits()-8*i, 0), 8)
		mask := byte(0xff) << (8 - keep)
		base[i] = base[i]&mask | a[16-len(base)+i]&^mask
	}
	addr, _ := netip.AddrFromSlice(base)
	return addr
}

func pick[T any](r *random, list []T) T { return list[r.below(len(list))] }
