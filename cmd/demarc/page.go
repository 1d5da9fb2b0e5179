package main

import (
	"time"

	"github.com/demarc/demarc/internal/dashboard"
	"github.com/demarc/demarc/sinks"
)

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
	if s.geo != nil {
		db := s.geo.Current()
		v.Geo = &dashboard.Geo{
			Built: db.Built().UTC(), Age: int64(v.At.Sub(db.Built()) / time.Second), MaxAge: int64(s.policy.GeoMaxAge / time.Second),
			Expired: db.Expired(s.policy.GeoMaxAge, v.At), Refused: s.geo.Refused(),
		}
	}
	return v
}
