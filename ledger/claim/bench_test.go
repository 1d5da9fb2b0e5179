package claim

import "testing"

// BenchmarkAdd is what one range entry with two outcomes costs, in a whole ledger and before a period begins.
func BenchmarkAdd(b *testing.B) {
	for name, claim := range map[string]string{"whole": testClaim, "before": testClaim + "population: {from: 2030-01-01T00:00:00Z}\n"} {
		b.Run(name, func(b *testing.B) {
			entries := newBook()
			entries.span(day, 0)
			next := int64(0)
			for range 10_000 {
				next = entries.route(0, next, count{"EEA decided eu-fra", 400}, count{"US decided us-oci", 600}).Source.To
			}
			spec := parse(b, claim)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; {
				a := New(spec, nil)
				for index, e := range entries.entries {
					a.Add(uint64(index), e)
				}
				i += len(entries.entries)
			}
		})
	}
}
