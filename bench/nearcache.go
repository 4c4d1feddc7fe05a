package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"sessionengine/nearcache"
	"sessionengine/session"
)

// nearSuffix is what the name of an engine has after it when the engine is behind a
// near cache.
const nearSuffix = "+nearcache"

// nearCaches says of each near cache what it is worth beside the engine that it
// keeps copies of, and how old they may be, a sentence a line.
func (r *Report) nearCaches() []string {
	var lines []string
	for _, engine := range r.Settings.Engines {
		stale, near := r.Settings.NearCaches[engine]
		if !near || r.RuledOut(engine) != "" {
			continue
		}
		lines = append(lines, fmt.Sprintf("%sWith %s a web server may go on for up to %s s with what another one has "+
			"changed or ended; no save rests on that.", r.nearCacheWorth(engine), engine, strconv.FormatFloat(stale.Seconds(), 'g', -1, 64)))
	}
	return lines
}

// nearCacheWorth says what a near cache is worth, in a sentence with a space after
// it, or "" where its engine is not in the run by itself.
func (r *Report) nearCacheWorth(engine string) string {
	base := strings.TrimSuffix(engine, nearSuffix)
	least, most := Estimate{}, Estimate{}
	compared, pays := 0, 0
	for _, p := range r.at(r.Model.RoundTrip) {
		with, without := p.page(engine), p.page(base)
		if with == nil || without == nil {
			continue
		}
		saved := difference(without.time(r.Model, false), with.time(r.Model, false)).estimate(r.PageConfidence())
		if compared++; saved.Lo > 0 {
			if pays++; pays == 1 || saved.Value < least.Value {
				least = saved
			}
			if saved.Value > most.Value {
				most = saved
			}
		}
	}
	hits := fmt.Sprintf("if it has %s %% of the sessions asked for (-cache-hits)", twoDigits(100*r.Model.CacheHits))
	switch {
	case compared == 0:
		return ""
	case pays == 0:
		return fmt.Sprintf("The near cache does not pay for any session of this run, %s: leave it out. ", hits)
	}
	saved := twoDigits(1000*most.Value) + " ms"
	if few := twoDigits(1000 * least.Value); few != twoDigits(1000*most.Value) {
		saved = few + " to " + saved
	}
	some := ""
	if pays < compared {
		some = fmt.Sprintf(" for %d of %d sessions", pays, compared)
	}
	return fmt.Sprintf("The near cache pays%s: %s makes a page %s quicker than %s, %s. ", some, engine, saved, base, hits)
}

// page returns the page with an engine, or nil.
func (p *PageComparison) page(engine string) *EnginePage {
	for i := range p.Engines {
		if p.Engines[i].Engine == engine {
			return &p.Engines[i]
		}
	}
	return nil
}

// nearBytes is how much a near cache of a run remembers, so that it takes no more
// than some thousand visitors to fill it.
const nearBytes = 1 << 20

// withNearCache returns the engine behind a near cache with its defaults, but for its
// size.
func withNearCache(e Engine, open func(ctx context.Context, count *Counter) (session.SessionStore, func() error, error),
) Engine {
	e.Name += nearSuffix
	e.Cache, e.MaxStale = nearBytes, nearStale
	e.Open = func(ctx context.Context, _ string, count *Counter) (Site, error) {
		store, release, err := open(ctx, count)
		if err != nil {
			return nil, err
		}
		near, err := nearcache.New(store, nearcache.Options{MaxStale: nearStale, Bytes: nearBytes,
			Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, errors.Join(err, release())
		}
		both := func() error { return errors.Join(near.Close(), release()) }
		for start := time.Now(); !near.Stats().Watching; time.Sleep(time.Millisecond) {
			if time.Since(start) > nearPatience || ctx.Err() != nil {
				return nil, errors.Join(errors.New("the near cache does not get to know of changes"), ctx.Err(), both())
			}
		}
		return NewSite(near, both)
	}
	return e
}

const (
	nearStale    = 5 * time.Second // the default of package nearcache
	nearPatience = 10 * time.Second
)
