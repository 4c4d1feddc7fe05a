package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sessionengine/bench"
)

// A Grid says which scenarios [MeasurePages] measures, which are all combinations,
// and how long.
type Grid struct {
	Engines    []bench.Engine // of which that named "dbstore" has its database at a distance
	Sessions   []bench.Session
	HTTP1      []bool          // HTTP/1.1 or HTTP/2
	RoundTrips []time.Duration // to the database
	Visitors   []Link          // from the visitors to the site

	// RequestsPerPage is how many requests a page has: one that uses the
	// session, and others that do not and carry the cookie all the same.
	RequestsPerPage int

	// Pages is how many pages of each kind, reading and writing, a visitor
	// requests in each of the Rounds of a scenario.
	Pages  int
	Rounds int

	Seed uint64 // determines the order of the measurements

	// Progress, unless nil, is called after each step with the number of steps
	// done and their total.
	Progress func(done, total int)
}

// DefaultGrid returns scenarios from a database in the same rack to one in
// another city, and from a visitor's bad mobile connection to a good fixed one.
// They take a few minutes for two engines and three sessions.
func DefaultGrid(engines []bench.Engine, sessions []bench.Session) Grid {
	return Grid{
		Engines:         engines,
		Sessions:        sessions,
		HTTP1:           []bool{false, true},
		RoundTrips:      []time.Duration{100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond},
		Visitors:        []Link{{Up: 1, Down: 5}, {Up: 10, Down: 50}, {Up: 50, Down: 250}},
		RequestsPerPage: 20,
		Pages:           1,
		Rounds:          6,
		Seed:            1,
	}
}

// A Scenario is what does not depend on the engine.
type Scenario struct {
	Session   string        `json:"session"`
	HTTP1     bool          `json:"http1"`
	RoundTrip time.Duration `json:"round_trip_ns"` // to the database, as asked for
	Visitor   Link          `json:"visitor"`
}

// PageResult are what [MeasurePages] found.
type PageResult struct {
	RequestsPerPage int        `json:"requests_per_page"`
	Rounds          int        `json:"rounds"` // that are complete
	Cells           []PageCell `json:"cells"`
}

// A PageCell is what a visitor saw in a scenario with an engine.
type PageCell struct {
	Scenario
	Engine string `json:"engine"`

	// Added is how far away the engine's database was, as it was measured: a
	// little more than what was asked for. 0 without a database.
	Added time.Duration `json:"added_round_trip_ns"`

	// TooLarge, if it is not empty, is why the engine cannot carry the session;
	// then nothing was measured.
	TooLarge string `json:"too_large,omitempty"`

	Cookie int `json:"cookie_bytes"` // of the Cookie header's value

	Read      Latency `json:"read"`      // of requests that read the session
	Write     Latency `json:"write"`     // of those that change it
	Untouched Latency `json:"untouched"` // of those that do not use it

	// Pages whose first request reads the session or changes it: in each
	// round, the median of their times in seconds, from the first byte of the
	// first request to the last of the last response.
	ReadPages  []float64 `json:"read_pages_s"`
	WritePages []float64 `json:"write_pages_s"`
}

// Page returns the seconds that a page takes on average in each round, with so
// many pages that read for each that writes.
func (c *PageCell) Page(readsPerWrite float64) []float64 {
	writes := 1 / (1 + readsPerWrite)
	pages := make([]float64, len(c.ReadPages))
	for i := range pages {
		pages[i] = (1-writes)*c.ReadPages[i] + writes*c.WritePages[i]
	}
	return pages
}

// MeasurePages lets a visitor request pages, one request after the other over one
// connection, in each scenario from a site with each engine, and from one
// without sessions.
//
// When ctx ends, MeasurePages returns the rounds that are complete together with the
// context's error.
func MeasurePages(ctx context.Context, grid Grid) (*PageResult, error) {
	s := &survey{Grid: grid, turns: newTurns(grid.Seed)}
	rounds, err := s.take(ctx, grid.Rounds, s.open, s.round)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	m := &PageResult{RequestsPerPage: grid.RequestsPerPage, Rounds: rounds}
	for _, group := range s.groups {
		for _, v := range group {
			m.Cells = append(m.Cells, v.result())
		}
	}
	return m, ctx.Err()
}

// A survey is a Measure under way.
type survey struct {
	Grid
	*turns
	groups [][]*visit // one for each scenario, with all engines
}

// A visit is a visitor in a scenario with an engine.
type visit struct {
	cell   PageCell
	client *client // nil if the session is too large

	read, write, untouched histogram

	// Of the round under way.
	requests   map[use][]time.Duration
	readPages  []time.Duration
	writePages []time.Duration
}

// open sets up all sites and visitors.
func (s *survey) open(ctx context.Context) error {
	// stages[i][j] is what engine j is like with round trip i to its database.
	stages := make([][]stage, len(s.RoundTrips))
	for j, engine := range append([]bench.Engine{none()}, s.Engines...) {
		for i, trip := range s.RoundTrips {
			if i > 0 && engine.Name == NoSession {
				stages[i] = append(stages[i], stages[0][j])
				continue
			}
			st, err := s.stage(ctx, engine, trip, filepath.Join(s.dir, fmt.Sprintf("%d-%d", i, j)))
			if err != nil {
				return fmt.Errorf("%s: %w", engine.Name, err)
			}
			stages[i] = append(stages[i], st)
		}
	}
	for i, trip := range s.RoundTrips {
		for _, session := range s.Sessions {
			for _, link := range s.Visitors {
				for _, http1 := range s.HTTP1 {
					scenario := Scenario{session.Name, http1, trip, link}
					var group []*visit
					for _, st := range stages[i] {
						v, err := s.arrive(ctx, st, scenario)
						if err != nil {
							return fmt.Errorf("%s/%s: %w", st.engine, session.Name, err)
						}
						group = append(group, v)
					}
					s.groups = append(s.groups, group)
				}
			}
		}
	}
	return nil
}

// A stage is an engine with its database at some distance, in which all
// sessions are served to visitors behind all links.
type stage struct {
	engine string
	added  time.Duration
	sites  map[string]*site           // by session
	addrs  map[string]map[Link]string // by session
}

func (s *survey) stage(ctx context.Context, engine bench.Engine, trip time.Duration, dir string) (stage, error) {
	st := stage{engine: engine.Name, sites: make(map[string]*site), addrs: make(map[string]map[Link]string)}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return st, err
	}
	running := context.WithoutCancel(ctx)
	var opened bench.Site
	var err error
	if engine.Name == NoSession {
		opened, err = engine.Open(running, dir, nil)
	} else if st.added, err = measureAway(ctx, trip); err == nil {
		away := &distance{roundTrip: trip}
		s.closers = append(s.closers, away.Close)
		opened, err = openAway(running, engine, dir, away)
	}
	if err != nil {
		return st, err
	}
	s.closers = append(s.closers, opened.Close)
	for _, session := range s.Sessions {
		server, err := serve(opened, session)
		if err != nil {
			return st, err
		}
		s.closers = append(s.closers, server.Close)
		st.sites[session.Name] = server
		st.addrs[session.Name] = make(map[Link]string)
		for _, link := range s.Visitors {
			path, err := link.open(server.Addr)
			if err != nil {
				return st, err
			}
			s.closers = append(s.closers, path.Close)
			st.addrs[session.Name][link] = path.Addr
		}
	}
	return st, nil
}

// arrive lets a visitor come to a stage.
func (s *survey) arrive(ctx context.Context, st stage, scenario Scenario) (*visit, error) {
	v := &visit{
		cell: PageCell{Scenario: scenario, Engine: st.engine, Added: st.added},
		client: &client{site: st.sites[scenario.Session], addr: st.addrs[scenario.Session][scenario.Visitor],
			http1: scenario.HTTP1},
		read:      newHistogram(),
		write:     newHistogram(),
		untouched: newHistogram(),
	}
	err := v.client.warm(ctx)
	if v.cell.TooLarge = tooLarge(err); v.cell.TooLarge != "" {
		v.client = nil
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.cell.Cookie = len(v.client.visitor.cookie)
	s.closers = append(s.closers, func() error { v.client.close(); return nil })
	return v, nil
}

// round measures everything once.
func (s *survey) round(ctx context.Context, _ int) error {
	for _, i := range s.random.Perm(len(s.groups)) {
		group := s.groups[i]
		for _, j := range s.random.Perm(len(group)) {
			v := group[j]
			if v.client != nil {
				if err := v.browse(ctx, s.Pages, s.RequestsPerPage); err != nil {
					return fmt.Errorf("%s/%s: %w", v.cell.Engine, v.cell.Session, err)
				}
			}
			s.done++
			if s.Progress != nil {
				s.Progress(s.done, s.Rounds*len(s.groups)*len(group))
			}
		}
	}
	for _, group := range s.groups {
		for _, v := range group {
			if v.client != nil {
				v.keep()
			}
		}
	}
	return nil
}

// browse requests so many pages that read and as many that write, in turns.
func (v *visit) browse(ctx context.Context, pages, requests int) error {
	runtime.GC() // so that what was measured before leaves nothing behind
	v.requests = make(map[use][]time.Duration)
	v.readPages, v.writePages = nil, nil
	for range pages {
		reading, err := v.page(ctx, read, requests)
		if err != nil {
			return err
		}
		writing, err := v.page(ctx, write, requests)
		if err != nil {
			return err
		}
		v.readPages, v.writePages = append(v.readPages, reading), append(v.writePages, writing)
	}
	return nil
}

// page requests a page and returns what it took.
func (v *visit) page(ctx context.Context, r request, requests int) (time.Duration, error) {
	begin := time.Now()
	last := begin
	for range requests {
		if err := v.client.request(ctx, r); err != nil {
			return 0, err
		}
		now := time.Now()
		v.requests[r.use] = append(v.requests[r.use], now.Sub(last))
		last, r = now, untouched
	}
	return last.Sub(begin), nil
}

// keep adds the last round to the results.
func (v *visit) keep() {
	v.read.add(v.requests[reads]...)
	v.write.add(v.requests[changes]...)
	v.untouched.add(v.requests[ignores]...)
	v.cell.ReadPages = append(v.cell.ReadPages, median(v.readPages).Seconds())
	v.cell.WritePages = append(v.cell.WritePages, median(v.writePages).Seconds())
}

// result returns the cell with what was measured.
func (v *visit) result() PageCell {
	c := v.cell
	c.Read, c.Write, c.Untouched = v.read.latency(), v.write.latency(), v.untouched.latency()
	return c
}
