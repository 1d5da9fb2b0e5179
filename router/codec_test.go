package router

import (
	"strings"
	"testing"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/wire"
	"github.com/twmb/franz-go/pkg/kgo"
)

// withCodecs is testPolicy with a codec for the US sink and for quarantine.
func withCodecs(t *testing.T, us, held string) *classifier.Policy {
	t.Helper()
	text := strings.Replace(testPolicy, "accepts: [US]", "accepts: [US], codec: "+us, 1)
	text = strings.Replace(text, "file: {dir: held}", "file: {dir: held}, codec: "+held, 1)
	p, faults := classifier.Load("test.yml", []byte(text))
	if p == nil {
		t.Fatal(faults)
	}
	return p
}

// TestSinkCodec: a sink that names a codec gets every batch in it, also one that could go to it as it is; the others
// get the source's.
func TestSinkCodec(t *testing.T) {
	for _, c := range []struct {
		us   string
		want wire.Codec
	}{{"zstd", wire.Zstd}, {"none", wire.None}, {"lz4", wire.LZ4}} {
		t.Run(c.us, func(t *testing.T) {
			b := newBench(t, 1)
			var pure, mixed []*kgo.Record
			for i := range 5000 {
				pure = append(pure, event(0, i, "US"))
				mixed = append(mixed, event(0, 5000+i, []string{"US", "DE", "?"}[i%3]))
			}
			b.produce(pure, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
			b.produce(mixed, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
			r, err := New(b.config(), classifier.New(withCodecs(t, c.us, "gzip")), nil, []Sink{b.sinks[us], b.sinks[eu], b.sinks[held]})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.run(b.context(), r); err != nil {
				t.Fatal(err)
			}
			for sink, want := range map[int]wire.Codec{us: c.want, eu: wire.LZ4, held: wire.Gzip} {
				if len(b.sinks[sink].batches) == 0 {
					t.Errorf("sink %d got nothing", sink)
				}
				for _, raw := range b.sinks[sink].batches {
					if got := (wire.Batch{Raw: raw}).Codec(); got != want {
						t.Errorf("sink %d got a batch in %v, want %v", sink, got, want)
					}
				}
			}
			if n := len(b.sinks[us].snapshot()); n != 5000+1667 {
				t.Errorf("%d US records", n)
			}
			passed := metric(r, `demarc_source_batches_total{topic="events",path="passed"}`)
			if (passed > 0) != (c.want == wire.LZ4) {
				t.Errorf("%d batches passed as they were", passed)
			}
		})
	}
}

// TestEveryCodecOfAPolicyIsOne that batches can be written in, and a policy that was not loaded is not believed.
func TestEveryCodecOfAPolicyIsOne(t *testing.T) {
	for _, name := range classifier.Codecs() {
		if _, err := codecs([]classifier.Sink{{Codec: name}}); err != nil {
			t.Error(err)
		}
	}
	if _, err := codecs([]classifier.Sink{{Name: "us", Codec: "brotli"}}); err == nil || !strings.Contains(err.Error(), "us") {
		t.Errorf("brotli: %v", err)
	}
}
