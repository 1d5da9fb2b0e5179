package router

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc/classifier"
)

// Geo is the geo database in use. A file is looked at again every few seconds: a database that was renamed
// into its place is read, checked and used from the next batch on; one that cannot be used changes nothing.
type Geo struct {
	path    string // empty: the database never changes
	maxAge  time.Duration
	log     *slog.Logger
	refused atomic.Int64
	current atomic.Pointer[classifier.Geo]
	seen    os.FileInfo
	saidOld bool // that the database in use is past maxAge
}

// OpenGeo reads the database at path, or the embedded one if path is empty. maxAge is the policy's.
func OpenGeo(path string, maxAge time.Duration, now time.Time, log *slog.Logger) (*Geo, error) {
	g := &Geo{path: path, maxAge: maxAge, log: log}
	if path == "" {
		db, err := classifier.EmbeddedGeo()
		if err != nil {
			return nil, fmt.Errorf("open geo database: %w", err)
		}
		g.current.Store(db)
		return g, nil
	}
	if err := g.read(now); err != nil {
		return nil, fmt.Errorf("open geo database %s: %w", path, err)
	}
	return g, nil
}

// Current is the database in use.
func (g *Geo) Current() *classifier.Geo { return g.current.Load() }

// Refused is how many files were refused since the start.
func (g *Geo) Refused() int64 { return g.refused.Load() }

// snapshot is what one chunk is decided by.
func (g *Geo) snapshot(now time.Time) classifier.Snapshot {
	if g == nil {
		return classifier.Snapshot{}
	}
	db := g.Current()
	return classifier.Snapshot{Geo: db, Expired: db.Expired(g.maxAge, now)}
}

func (g *Geo) read(now time.Time) error {
	info, err := os.Stat(g.path)
	if err != nil {
		return err
	}
	g.seen = info // a file that is refused is not read again until it changes
	data, err := os.ReadFile(g.path)
	if err != nil {
		return err
	}
	db, err := classifier.OpenGeo(data)
	if err != nil {
		return err
	}
	if err := db.Supersedes(g.Current(), now); err != nil {
		return err
	}
	g.current.Store(db)
	return nil
}

// watch judges the database's age, then looks at the file and the age whenever tick fires, until ctx ends.
func (g *Geo) watch(ctx context.Context, now time.Time, tick <-chan time.Time) {
	if g == nil {
		return
	}
	g.checkAge(now)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick:
			if g.path != "" {
				g.look(now)
			}
			g.checkAge(now)
		}
	}
}

// checkAge says once when the database in use passes the policy's max_age.
func (g *Geo) checkAge(now time.Time) {
	old := g.Current().Expired(g.maxAge, now)
	if old && !g.saidOld {
		g.log.Error("geo database is past the policy's max_age: records whose decision looks an address up are quarantined as geo_expired",
			"built", g.Current().Built(), "max_age", g.maxAge)
	}
	g.saidOld = old
}

// expired is 1 while the database in use is past the policy's max_age, as a metric.
func (g *Geo) expired(now time.Time) float64 {
	if g.Current().Expired(g.maxAge, now) {
		return 1
	}
	return 0
}

func (g *Geo) look(now time.Time) {
	info, err := os.Stat(g.path)
	if err == nil && g.seen != nil && os.SameFile(info, g.seen) && info.ModTime().Equal(g.seen.ModTime()) && info.Size() == g.seen.Size() {
		return
	}
	if err != nil {
		if g.seen == nil {
			return // said before
		}
		g.seen = nil
	} else {
		err = g.read(now)
	}
	if err != nil {
		g.refused.Add(1)
		g.log.Error("geo database refused, the one in use stays", "file", g.path, "error", err, "in_use_built", g.Current().Built())
		return
	}
	g.log.Info("geo database in use", "file", g.path, "built", g.Current().Built())
}
