package bench

import (
	"runtime"
	"slices"
	"time"
)

// Results are the raw results of a run.
type Results struct {
	Environment Environment `json:"environment"`
	Settings    Settings    `json:"settings"`

	// Rounds is the number of rounds that were completed: all of them, unless
	// the run was interrupted.
	Rounds int `json:"rounds"`

	// Others is the share of all cores' time that other programs used meanwhile,
	// from 0 to 1, or -1 where the system does not tell. It explains wide
	// intervals, and changes nothing.
	Others float64 `json:"others_share_of_cores"`

	// Empty is a handler that does nothing, without an engine: what the harness
	// costs. It was measured beside each kind of request of each session, and
	// is taken off the times of requests in all tables.
	Empty []EmptyResult `json:"empty"`

	Requests   []RequestResult   `json:"requests"`
	Floors     []FloorResult     `json:"floors"`
	Behaviours []BehaviourResult `json:"behaviours"`

	// Collector is what the garbage collector costs, which is off in samples.
	Collector []CollectorSample `json:"collector"`
}

// Environment is where a run took place. Absolute times are worth nothing
// without it.
type Environment struct {
	Started   time.Time `json:"started"`
	GoVersion string    `json:"go_version"`
	Platform  string    `json:"platform"`
	CPU       string    `json:"cpu,omitempty"`
	Cores     int       `json:"cores"` // that Go may use at a time
}

// Settings are those of a run, fixed before it began.
type Settings struct {
	Engines  []string      `json:"engines"`
	Sessions []SessionSize `json:"sessions"`
	Rounds   int           `json:"rounds"`
	Sample   time.Duration `json:"sample_ns"` // about what a sample takes
	Seed     uint64        `json:"seed"`

	// NearCaches are the engines that have a near cache, and for how long what
	// they read from it may be out of date.
	NearCaches map[string]time.Duration `json:"near_caches_max_stale_ns,omitempty"`
}

// SessionSize names a session. Nothing of its content is in the results.
type SessionSize struct {
	Name string `json:"name"`
	Size int    `json:"json_bytes"`
}

// A Cell is what was measured of one operation: in each round some samples of
// that many operations in a row, while the garbage collector was off.
type Cell struct {
	Iterations int         `json:"iterations"`
	Nanosec    [][]float64 `json:"ns_per_op"` // by round

	// Waits says that the operation waits for a disk or for a server. Then each
	// one is timed by itself, and the processor time of the process is measured of
	// windows of some.
	Waits  bool        `json:"waits,omitempty"`
	CPU    [][]float64 `json:"cpu_ns_per_op,omitempty"` // by round
	Allocs float64     `json:"allocs_per_op"`
	Bytes  float64     `json:"allocated_bytes_per_op"`
}

// EmptyResult is what was measured of the empty handler beside a kind of request.
type EmptyResult struct {
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`
	Cell
}

// RequestResult is what was measured of one kind of request.
type RequestResult struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`

	// TooLarge, if it is not empty, is why the engine cannot carry the session;
	// then nothing was measured.
	TooLarge string `json:"too_large,omitempty"`

	Cell
	Queries    float64 `json:"queries_per_op"`
	CookieUp   float64 `json:"cookie_up_bytes"`   // value of the Cookie header
	CookieDown float64 `json:"cookie_down_bytes"` // value of the Set-Cookie header
}

// FloorResult is what was measured of an engine's floor.
type FloorResult struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"` // Read or Write
	Cell
}

// A CollectorSample is the processor time of requests with the garbage collector
// on, over some of its cycles, and of the same with it off.
type CollectorSample struct {
	Round int     `json:"round"`
	Of    string  `json:"of"`           // engine, session and kind of request
	On    float64 `json:"on_ns_per_op"` // nanoseconds of all cores
	Off   float64 `json:"off_ns_per_op"`
	Bytes float64 `json:"allocated_bytes_per_op"`
}

// Only returns the results of some of the engines, in the order of the names.
func (r *Results) Only(engines ...string) *Results {
	some := *r
	some.Settings.Engines = engines
	has := func(engine string) bool { return slices.Contains(engines, engine) }
	some.Requests = slices.DeleteFunc(slices.Clone(r.Requests), func(q RequestResult) bool { return !has(q.Engine) })
	some.Floors = slices.DeleteFunc(slices.Clone(r.Floors), func(f FloorResult) bool { return !has(f.Engine) })
	some.Behaviours = slices.DeleteFunc(slices.Clone(r.Behaviours),
		func(b BehaviourResult) bool { return !has(b.Engine) })
	return &some
}

// truncate drops what was measured after n rounds.
func (c *Cell) truncate(n int) {
	c.Nanosec = c.Nanosec[:min(n, len(c.Nanosec))]
	c.CPU = c.CPU[:min(n, len(c.CPU))]
}

// Measured reports whether there is anything.
func (c *Cell) Measured() bool { return len(c.Nanosec) > 0 }

// timed reports whether it waits, and its processor time was measured: not where
// the system does not tell it.
func (c *Cell) timed() bool {
	return c.Waits && slices.ContainsFunc(c.CPU, func(round []float64) bool { return len(round) > 0 })
}

// RequestIndex returns where in Requests a kind of request is, or -1.
func (r *Results) RequestIndex(engine, session string, kind Kind) int {
	return slices.IndexFunc(r.Requests, func(q RequestResult) bool {
		return q.Engine == engine && q.Session == session && q.Kind == kind
	})
}

// request returns the result of a kind of request, or nil.
func (r *Results) request(engine, session string, kind Kind) *RequestResult {
	if i := r.RequestIndex(engine, session, kind); i >= 0 {
		return &r.Requests[i]
	}
	return nil
}

// empty returns what was measured of the empty handler beside a kind of request,
// or nil.
func (r *Results) empty(session string, kind Kind) *EmptyResult {
	for i := range r.Empty {
		if e := &r.Empty[i]; e.Session == session && e.Kind == kind {
			return e
		}
	}
	return nil
}

// CurrentEnvironment returns what this machine is, and when it is called.
func CurrentEnvironment() Environment {
	return Environment{
		Started:   time.Now().UTC().Truncate(time.Second),
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
		CPU:       cpuModel(),
		Cores:     runtime.GOMAXPROCS(0),
	}
}
