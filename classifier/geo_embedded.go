package classifier

import (
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/oschwald/maxminddb-golang/v2"
)

// embeddedGeo is made by data/rebuild from DB-IP Lite Country; NOTICE has its licence.
//
//go:embed data/dbip-country-lite.mmdb.zst
var embeddedGeo []byte

// EmbeddedGeo opens the database that is part of the program: IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0.
// It costs about two thirds of opening it as a file: a test has verified it, and what was decompressed is held to the
// checksum of its compressed form, so it is not verified at each start. The caller keeps the result.
func EmbeddedGeo() (*Geo, error) {
	data, err := decompressed(embeddedGeo)
	if err != nil {
		return nil, fmt.Errorf("open embedded geo database: %w", err)
	}
	g, err := openGeo(data, func(*maxminddb.Reader) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("open embedded geo database: %w", err)
	}
	return g, nil
}

// decompressed holds what it returns to the checksum in packed.
func decompressed(packed []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(packed, nil)
}
