package main

import (
	"fmt"
	"time"

	"github.com/demarc/demarc/classifier"
)

// maxGeo is many times the largest country database.
const maxGeo = 1 << 30

// openGeo opens the geo database in a file, or the embedded one for an empty path. When the policy reads no
// address and no file is named there is none. The rules are those of router.OpenGeo, but for one database that
// never changes.
func openGeo(path string, p *classifier.Policy) (*classifier.Geo, error) {
	if path == "" {
		if !p.ReadsIP() {
			return nil, nil
		}
		geo, err := classifier.EmbeddedGeo()
		if err != nil {
			return nil, fmt.Errorf("open embedded geo database: %w", err)
		}
		return geo, nil
	}
	data, err := readFile(path, maxGeo)
	if err != nil {
		return nil, fmt.Errorf("read geo database: %w", err)
	}
	geo, err := classifier.OpenGeo(data)
	if err == nil {
		err = geo.Supersedes(nil, time.Now()) // refuses one from the future, as run does
	}
	if err != nil {
		return nil, usageError(fmt.Errorf("open geo database %s: %w", path, err))
	}
	return geo, nil
}

// snapshot is the database as it stands at a time under the policy's limit on its age.
func snapshot(geo *classifier.Geo, p *classifier.Policy, now time.Time) classifier.Snapshot {
	if geo == nil {
		return classifier.Snapshot{}
	}
	return classifier.Snapshot{Geo: geo, Expired: geo.Expired(p.GeoMaxAge, now)}
}
