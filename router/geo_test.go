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
	if s := g.snapshot(geoEpoch.Add(61 * 24 * time.Hour)); !s.Expired {
		t.Error("not expired past max_age")
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
