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

	// Empty is a handler that does nothing, without an engine: what the harness
	// costs. It is subtracted from the times of requests in all tables.
	Empty Series `json:"empty"`

	Requests   []RequestResult   `json:"requests"`
	Floors     []FloorResult     `json:"floors"`
	Behaviours []BehaviourResult `json:"behaviours"`
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
	Sample   time.Duration `json:"sample_ns"`
	Seed     uint64        `json:"seed"`
}

// SessionSize names a session. Nothing of its content is in the results.
type SessionSize struct {
	Name string `json:"name"`
	Size int    `json:"json_bytes"`
}

// A Series has a value for each round, in the order of the rounds; in each of
// them the operation ran Iterations times.
type Series struct {
	Iterations int       `json:"iterations"`
	Nanosec    []float64 `json:"ns_per_op"`
	Allocs     []float64 `json:"allocs_per_op"`
	Bytes      []float64 `json:"allocated_bytes_per_op"`
}

// RequestResult is what was measured of one kind of request.
type RequestResult struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`

	// TooLarge, if it is not empty, is why the engine cannot carry the session;
	// then nothing was measured.
	TooLarge string `json:"too_large,omitempty"`

	Series
	Queries    float64 `json:"queries_per_op"`
	CookieUp   float64 `json:"cookie_up_bytes"`   // value of the Cookie header
	CookieDown float64 `json:"cookie_down_bytes"` // value of the Set-Cookie header
}

// FloorResult is what was measured of an engine's floor.
type FloorResult struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"` // Read or Write
	Series
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
func (s *Series) truncate(n int) {
	s.Nanosec, s.Allocs, s.Bytes = s.Nanosec[:n], s.Allocs[:n], s.Bytes[:n]
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

// Net returns the nanoseconds of a request in each round, over the empty
// handler's of the same round.
func (r *Results) Net(q *RequestResult) []float64 {
	times := slices.Clone(q.Nanosec)
	for i := range times {
		times[i] -= r.Empty.Nanosec[i]
	}
	return times
}

func environment() Environment {
	return Environment{
		Started:   time.Now().UTC().Truncate(time.Second),
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
		CPU:       cpuModel(),
		Cores:     runtime.GOMAXPROCS(0),
	}
}
