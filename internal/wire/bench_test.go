package wire

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

const benchRecords = 800

// benchBuilder holds 800 JSON events of about 760 bytes with two headers each.
func benchBuilder() *Builder {
	rng := rand.New(rand.NewPCG(1, 2))
	countries := []string{"US", "DE", "FR", "GB", "JP", "BR"}
	var b, one Builder
	for i := range benchRecords {
		value := fmt.Appendf(nil, `{"event_id":"%08x-%04x-%04x-%012x","type":"video_view","ts":%d,`+
			`"user":{"id":"%d","verified_region":"%s","age_band":"25-34","lang":"en"},`+
			`"device":{"os":"android","model":"SM-G99%dB","app_version":"32.%d.%d","mcc":"310","screen":"1080x2400"},`+
			`"network":{"ip":"%d.%d.%d.%d","type":"wifi","asn":%d},`+
			`"video":{"id":"%d","author":"%d","duration_ms":%d,"watched_ms":%d,"tags":["fyp","music","dance"],"title":"%x"},`+
			`"client":{"ua":"com.example.app/2023 (Linux; U; Android 13; en_US)"},"context":{"session":"%x","referrer":"for_you","position":%d,"experiment":"exp_%d","trace":"%x%x"},"pad":"%x"}`,
			rng.Uint32(), rng.Uint32()&0xffff, rng.Uint32()&0xffff, rng.Uint64()&0xffffffffffff, sampleTime+i,
			rng.Uint64N(1e18), countries[rng.IntN(6)], rng.IntN(10), rng.IntN(10), rng.IntN(10),
			1+rng.IntN(222), rng.IntN(256), rng.IntN(256), rng.IntN(256), rng.IntN(65000),
			rng.Uint64(), rng.Uint64(), rng.IntN(60000), rng.IntN(60000), rng.Uint64(),
			rng.Uint64(), rng.IntN(100), rng.IntN(100), rng.Uint64(), rng.Uint64(), rng.Uint64())
		one.Reset()
		tail := appendNullable(nil, fmt.Appendf(nil, "user-%d", rng.IntN(100000)))
		tail = appendNullable(tail, value)
		tail = appendVarint(tail, 0)
		if err := b.AddWithHeaders(sampleTime+int64(i), tail, []record.Header{
			{Key: []byte("account-country"), Value: []byte(countries[rng.IntN(6)])}, {Key: []byte("source"), Value: []byte("app")}}); err != nil {
			panic(err)
		}
	}
	return &b
}

func perRecord(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}

func benchBatch(tb testing.TB, c Codec) Batch {
	comp := NewCompressor()
	raw, err := benchBuilder().Build(nil, c, comp)
	if err != nil {
		tb.Fatal(err)
	}
	Seal(raw, -1, -1, -1)
	return one(tb, raw)
}

func BenchmarkIterate(b *testing.B) {
	b.ReportAllocs()
	batch := benchBatch(b, None)
	for b.Loop() {
		var r Record
		it := Iterate(batch.Section(), batch)
		for it.Next(&r) {
		}
		if it.Err() != nil {
			b.Fatal(it.Err())
		}
	}
	perRecord(b)
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	batch := benchBatch(b, None)
	var into record.Record
	for b.Loop() {
		var r Record
		it := Iterate(batch.Section(), batch)
		for it.Next(&r) {
			if err := r.Read(&into); err != nil {
				b.Fatal(err)
			}
		}
	}
	perRecord(b)
}

// BenchmarkSplit iterates and copies each record into one of so many batches.
func BenchmarkSplit(b *testing.B) {
	batch := benchBatch(b, None)
	for _, sinks := range []int{1, 2, 4, 16} {
		b.Run(fmt.Sprintf("sinks=%d", sinks), func(b *testing.B) {
			b.ReportAllocs()
			built := make([]Builder, sinks)
			for b.Loop() {
				for i := range built {
					built[i].Reset()
				}
				var r Record
				it := Iterate(batch.Section(), batch)
				for i := 0; it.Next(&r); i++ {
					built[i%sinks].Add(batch.Timestamp(&r), r.Tail)
				}
			}
			perRecord(b)
		})
	}
}

// BenchmarkDigest is what a receipt costs: SHA-256 over the records section as stored.
func BenchmarkDigest(b *testing.B) {
	for _, c := range codecs {
		b.Run(c.String(), func(b *testing.B) {
			section := benchBatch(b, c).Section()
			b.ReportAllocs()
			b.SetBytes(int64(len(section)))
			for b.Loop() {
				sha256.Sum256(section)
			}
			perRecord(b)
		})
	}
}

func BenchmarkPassThrough(b *testing.B) {
	b.ReportAllocs()
	batch := benchBatch(b, Zstd)
	var dst []byte
	for b.Loop() {
		dst = PassThrough(dst[:0], batch)
		Seal(dst, 1, 1, 1)
	}
	perRecord(b)
}

func BenchmarkCompress(b *testing.B) {
	section := benchBatch(b, None).Section()
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			comp := NewCompressor()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = comp.Compress(dst[:0], c, section); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b)
			b.ReportMetric(float64(len(section))/float64(len(dst)), "ratio")
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			batch := benchBatch(b, c)
			d := NewDecompressor(testLimit)
			for b.Loop() {
				if _, err := d.Open(batch); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b)
		})
	}
}
