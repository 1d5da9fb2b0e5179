package router

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
)

var geoEpoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// geoFile makes a GeoIP2-Country database that places 81.2.69.0/24, and puts it at path by renaming.
func geoFile(t *testing.T, path, country string, built time.Time) {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoIP2-Country", BuildEpoch: built.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR("81.2.69.0/24")
	if err != nil {
		t.Fatal(err)
	}
	place := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(country)}}
	if err := w.Insert(network, place); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if _, err := w.WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	renameInto(t, path, data.Bytes())
}

func renameInto(t *testing.T, path string, data []byte) {
	t.Helper()
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
}

func TestGeoDatabaseIsReplacedByRenamingAndKeptWhenTheNewOneIsBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	now := geoEpoch.Add(30 * 24 * time.Hour)
	var log strings.Builder
	geoFile(t, path, "GB", geoEpoch)
	g, err := OpenGeo(path, 60*24*time.Hour, now, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	first := g.Current()
	g.look(now)
	if g.Current() != first || g.Refused() != 0 {
		t.Error("a file that has not changed was read again")
	}

	refused := int64(0)
	refuse := func(why string, change func()) {
		t.Helper()
		log.Reset()
		change()
		g.look(now)
		g.look(now) // the same bad file is refused once
		refused++
		if g.Current() != first || g.Refused() != refused {
			t.Errorf("%s: refused %d files, want %d; the database in use changed: %v", why, g.Refused(), refused, g.Current() != first)
		}
		if n := strings.Count(log.String(), "geo database refused"); n != 1 {
			t.Errorf("%s: %d log lines, want 1: %s", why, n, log.String())
		}
	}
	refuse("older", func() { geoFile(t, path, "FR", geoEpoch.Add(-time.Hour)) })
	refuse("built in the future", func() { geoFile(t, path, "FR", now.Add(48*time.Hour)) })
	refuse("damaged", func() { renameInto(t, path, []byte("not a database")) })
	refuse("gone", func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	})

	geoFile(t, path, "FR", geoEpoch.Add(time.Hour))
	g.look(now)
	if g.Current() == first || !g.Current().Built().Equal(geoEpoch.Add(time.Hour)) {
		t.Error("a newer database was not taken")
	}
	if s := g.snapshot(now); s.Expired {
		t.Error("expired before max_age")
	}
	late := geoEpoch.Add(61 * 24 * time.Hour)
	if s := g.snapshot(late); !s.Expired {
		t.Error("not expired past max_age")
	}
	log.Reset()
	g.checkAge(now)
	g.checkAge(late)
	g.checkAge(late)
	if n := strings.Count(log.String(), "past the policy's max_age"); n != 1 {
		t.Errorf("the end of its time is said %d times:\n%s", n, log.String())
	}
	if g.expired(now) != 0 || g.expired(late) != 1 {
		t.Error("the metric does not say when it has expired")
	}
}

// TestOneSnapshotDecidesABatch: a database that is replaced while a chunk is on its way says nothing of it.
func TestOneSnapshotDecidesABatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	geoFile(t, path, "US", geoEpoch)
	log := slog.New(slog.DiscardHandler)
	geo, err := OpenGeo(path, 0, time.Now(), log)
	if err != nil {
		t.Fatal(err)
	}
	p, faults := classifier.Load("ip.yml", []byte(strings.Replace(testPolicy, "{header: account-country, as: alpha2}", "{header: ip, as: ip}", 1)))
	if p == nil {
		t.Fatal(faults)
	}
	b := newBench(t, 1)
	b.sinks[us].refuse = func(stored) (record.Reason, bool) {
		geoFile(t, path, "FR", geoEpoch.Add(time.Hour))
		geo.look(time.Now())
		return record.Refused, true
	}
	b.produce([]*kgo.Record{{Topic: "events", Headers: []kgo.RecordHeader{{Key: "ip", Value: []byte("81.2.69.1")}}}})
	r, err := New(b.config(), classifier.New(p), geo, []Sink{b.sinks[us], b.sinks[eu], b.sinks[held]})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := r.Accounts()[0].Outcomes[record.Outcome{Set: record.One(us), Reason: record.Refused, Sink: held}].Records; got != 1 {
		t.Errorf("the refused record was decided by another snapshot: %+v", r.Accounts()[0].Outcomes)
	}
	if built := geo.Current().Built(); !built.Equal(geoEpoch.Add(time.Hour)) {
		t.Error("the database was not replaced in between")
	}
}

func TestGeoDatabaseThatCannotBeUsedAtTheStartIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	open := func() error {
		_, err := OpenGeo(path, 0, geoEpoch, slog.New(slog.DiscardHandler))
		return err
	}
	if err := open(); err == nil {
		t.Error("a missing file was accepted")
	}
	renameInto(t, path, []byte("not a database"))
	if err := open(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("damaged file: %v", err)
	}
	geoFile(t, path, "GB", geoEpoch.Add(72*time.Hour))
	if err := open(); err == nil {
		t.Error("a database built in the future was accepted")
	}
}

func TestEmbeddedGeoDatabaseOpens(t *testing.T) {
	g, err := OpenGeo("", 0, time.Now(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if g.Current().Built().IsZero() {
		t.Error("no build time")
	}
}
