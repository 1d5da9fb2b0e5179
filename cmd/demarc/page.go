package main

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/demarc/demarc/internal/dashboard"
	"github.com/demarc/demarc/sinks"
)

// pages are what people look at: the page with its numbers, and the ledger's public files if there is one.
func (s *service) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", dashboard.New(s.view))
	if s.ledger != nil {
		mux.Handle("GET /ledger/", dashboard.Tiles(s.config.Ledger))
	}
	return mux
}

// view is what the page shows: the same accounts, states and reasons that /metrics and /readyz tell.
func (s *service) view() dashboard.View {
	ready := s.ready()
	v := dashboard.View{
		At: time.Now(), Started: s.started, Version: version(), Group: s.config.Group, Topics: s.config.Topics,
		NotReady: ready.Reasons, Policy: s.policy,
		Accounts: s.router.Accounts(), Stopped: s.router.Stopped(),
	}
	for i, built := range s.sinks {
		state := built.State()
		if state.Err == "" && state.Status != sinks.Ready {
			state.Err = s.late.cause(i)
		}
		v.Sinks = append(v.Sinks, state)
	}
	if s.ledger != nil {
		v.Ledger = s.newestCheckpoint()
	}
	if s.geo != nil {
		db := s.geo.Current()
		v.Geo = &dashboard.Geo{
			Built: db.Built().UTC(), Age: int64(v.At.Sub(db.Built()) / time.Second), MaxAge: int64(s.policy.GeoMaxAge / time.Second),
			Expired: db.Expired(s.policy.GeoMaxAge, v.At), Refused: s.geo.Refused(),
		}
	}
	return v
}

// newestCheckpoint is what readers of the ledger see; nothing of it if it cannot be read just now.
func (s *service) newestCheckpoint() *dashboard.Ledger {
	cp, err := s.ledger.Checkpoint()
	if err != nil {
		return nil
	}
	return &dashboard.Ledger{
		Origin: s.ledger.Origin(), Size: cp.Size, Root: base64.StdEncoding.EncodeToString(cp.Root[:]), At: cp.Time,
	}
}
