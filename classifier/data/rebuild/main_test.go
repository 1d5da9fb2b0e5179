package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/geoip2-golang/v2"
	"go4.org/netipx"
)

func flatDatabase(t *testing.T, built time.Time, records map[string]mmdbtype.DataType) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		BuildEpoch: built.Unix(), DatabaseType: "country ipvAll", DisableIPv4Aliasing: true, IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for prefix, record := range records {
		if err := tree.Insert(netipx.PrefixIPNet(netip.MustParsePrefix(prefix)), record); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func code(alpha2 string) mmdbtype.DataType {
	return mmdbtype.Map{"country_code": mmdbtype.String(alpha2)}
}

func TestRebuild(t *testing.T) {
	built := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	dir := t.TempDir()
	source, dest := filepath.Join(dir, "flat.mmdb"), filepath.Join(dir, "nested.mmdb.zst")
	flat := flatDatabase(t, built, map[string]mmdbtype.DataType{
		"1.0.0.0/24": code("AU"), "2a00::/16": code("FR"), "10.0.0.0/8": code("US"), "2002:808::/32": code("US"),
	})
	if err := os.WriteFile(source, flat, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rebuild(source, dest); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(dest)
	if err != nil {
		t.Fatal(err)
	}
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	data, err := unpack.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	db, err := geoip2.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	if m := db.Metadata(); m.DatabaseType != "DBIP-Country-Lite" || !m.BuildTime().Equal(built) || !strings.Contains(m.Description["en"], "https://db-ip.com") {
		t.Errorf("metadata %+v, want the build time %v", m, built)
	}
	for address, want := range map[string]string{
		"1.0.0.0": "AU", "1.0.0.255": "AU", "1.0.1.0": "", "2a00:ffff::": "FR", "2a01::": "", "10.0.0.1": "", "2002:808:808::": "", "2002:100:1::": "AU",
	} {
		got, err := db.Country(netip.MustParseAddr(address))
		if err != nil || got.Country.ISOCode != want {
			t.Errorf("%s is in %q, %v; want %q", address, got.Country.ISOCode, err, want)
		}
	}
}

func TestRebuildRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nested := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("AU")}}
	number := mmdbtype.Map{"country_code": mmdbtype.Uint16(36)}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	good := write("good", flatDatabase(t, now, map[string]mmdbtype.DataType{"1.0.0.0/24": code("AU")}))
	for _, c := range []struct{ source, dest, want string }{
		{filepath.Join(dir, "missing"), filepath.Join(dir, "out"), "read source: "},
		{write("text", []byte("1.0.0.0/24,AU")), filepath.Join(dir, "out"), "rewrite "},
		{write("nested", flatDatabase(t, now, map[string]mmdbtype.DataType{"1.0.0.0/24": nested})), filepath.Join(dir, "out"), "read 1.0.0.0/24: no country_code"},
		{write("number", flatDatabase(t, now, map[string]mmdbtype.DataType{"1.0.0.0/24": number})), filepath.Join(dir, "out"), "read 1.0.0.0/24: "},
		{good, filepath.Join(dir, "no", "such", "dir"), "write database: "},
	} {
		err := rebuild(c.source, c.dest)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("rebuild(%s, %s) = %v, want %q", c.source, c.dest, err, c.want)
		}
		if _, err := os.Stat(c.dest); err == nil {
			t.Errorf("rebuild(%s) wrote %s", c.source, c.dest)
		}
	}
}
