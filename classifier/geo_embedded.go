package classifier

import (
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// embeddedGeo is made by data/rebuild from DB-IP Lite Country; NOTICE has its licence.
//
//go:embed data/dbip-country-lite.mmdb.zst
var embeddedGeo []byte

// EmbeddedGeo opens the database that is part of the program: IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0.
// It costs about as much as opening a file; the caller keeps the result.
func EmbeddedGeo() (*Geo, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("open embedded geo database: %w", err)
	}
	defer r.Close()
	data, err := r.DecodeAll(embeddedGeo, nil)
	if err != nil {
		return nil, fmt.Errorf("open embedded geo database: %w", err)
	}
	return OpenGeo(data)
}
