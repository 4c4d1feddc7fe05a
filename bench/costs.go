package bench

import "math"

// CostResult is what one request of a kind costs, over an empty handler's.
// Values are nanoseconds.
type CostResult struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`

	// Inline is the processor time of the request itself, Collection that of
	// collecting its garbage later, and CPU both.
	Inline     Estimate `json:"inline_ns"`
	Collection Estimate `json:"collection_ns"`
	CPU        Estimate `json:"cpu_ns"`

	// Took is how long requests took that wait for a disk or for a server; nil
	// for others. What is else on the machine is in it.
	Took *Distribution `json:"took,omitempty"`

	cost cost
}

// A Distribution is that of the times of single requests, in nanoseconds and
// over an empty handler's.
type Distribution struct {
	Mean Estimate `json:"mean"`
	P10  Estimate `json:"p10"`
	P50  Estimate `json:"p50"`
	P90  Estimate `json:"p90"`
	P99  Estimate `json:"p99"`
}

// A cost is what a request costs, in nanoseconds.
type cost struct {
	inline, collection, cpu quantity

	// wait is the mean of the time that is spent waiting, and quiet what it is
	// when little else is going on: its low quantile.
	wait, quiet quantity
}

// least widens the interval of a single cost: a machine that is slow during the
// whole run makes an engine look dear, which no interval of the run knows. A ratio
// is not concerned.
const least = 0.95

// costEstimate is the estimate of a single cost.
func costEstimate(q quantity) Estimate {
	e := q.estimate(confidence)
	e.Lo *= least
	return e
}

func notNegative(v []float64) float64 { return max(v[0]-v[1], 0) }

// costs estimates the cost of everything that was measured.
func (r *Report) costs() {
	boot := r.boot
	perByte := r.bytePrice()
	for i := range r.Requests {
		q := &r.Requests[i]
		empty := r.empty(q.Session, q.Kind)
		if !q.Measured() || empty == nil || !empty.Measured() {
			continue
		}
		c := boot.costOf(&q.Cell, &empty.Cell, perByte)
		result := CostResult{Engine: q.Engine, Session: q.Session, Kind: q.Kind, cost: c,
			Inline: costEstimate(c.inline), Collection: costEstimate(c.collection), CPU: costEstimate(c.cpu)}
		if q.Waits {
			result.Took = boot.distribution(&q.Cell, &empty.Cell)
		}
		r.Costs = append(r.Costs, result)
	}
}

// bytePrice is the processor time, in nanoseconds, of collecting a byte.
func (r *Report) bytePrice() quantity {
	if len(r.Collector) == 0 {
		return quantity{}
	}
	samples := make([][]float64, r.Rounds)
	for _, s := range r.Collector {
		if s.Round < r.Rounds && s.Bytes > 0 {
			samples[s.Round] = append(samples[s.Round], max(s.On-s.Off, 0)/s.Bytes)
		}
	}
	price := r.boot.quantile(samples, 0.5)
	price.known = r.Rounds >= MinRounds
	for i, v := range price.draws {
		if math.IsNaN(v) { // a draw of rounds without any
			price.draws[i] = price.value
		}
	}
	return price
}

// costOf estimates the cost of an operation over the empty handler's.
func (b *bootstrap) costOf(c, empty *Cell, perByte quantity) cost {
	nothing := b.low(empty.Nanosec)
	var result cost
	if c.timed() {
		cpu := b.low(c.CPU)
		cpu.known = b.rounds >= MinRounds // windows are long, and so there are few
		result.inline = combine(notNegative, cpu, nothing)
		took := func(wall quantity) quantity { return combine(notNegative, wall, cpu) }
		result.wait, result.quiet = took(b.mean(c.Nanosec)), took(b.low(c.Nanosec))
	} else {
		result.inline = combine(notNegative, b.low(c.Nanosec), nothing)
		result.wait = constant(0, result.inline)
		result.quiet = result.wait
	}
	if perByte.draws == nil {
		result.collection, result.cpu = constant(0, result.inline), result.inline
		return result
	}
	bytes := max(c.Bytes-empty.Bytes, 0)
	result.collection = combine(func(v []float64) float64 { return bytes * v[0] }, perByte)
	result.cpu = combine(func(v []float64) float64 { return v[0] + v[1] }, result.inline, result.collection)
	return result
}

// floor estimates the processor time of a floor's operation.
func (b *bootstrap) floor(c *Cell) quantity {
	samples := c.Nanosec
	if c.timed() {
		samples = c.CPU
	}
	floor := b.low(samples)
	floor.known = b.rounds >= MinRounds
	return floor
}

// distribution estimates how long single operations take.
func (b *bootstrap) distribution(c, empty *Cell) *Distribution {
	nothing := b.low(empty.Nanosec)
	over := func(q quantity) Estimate { return combine(notNegative, q, nothing).estimate(confidence) }
	at := func(p float64) Estimate { return over(b.quantile(c.Nanosec, p)) }
	return &Distribution{Mean: over(b.mean(c.Nanosec)), P10: at(0.10), P50: at(0.50), P90: at(0.90), P99: at(0.99)}
}

// Cost returns what a kind of request costs, or nil if it was not measured.
func (r *Report) Cost(engine, session string, kind Kind) *CostResult {
	if i := r.CostIndex(engine, session, kind); i >= 0 {
		return &r.Costs[i]
	}
	return nil
}

// CostIndex returns where in Costs a kind of request is, or -1.
func (r *Report) CostIndex(engine, session string, kind Kind) int {
	for i := range r.Costs {
		if c := &r.Costs[i]; c.Engine == engine && c.Session == session && c.Kind == kind {
			return i
		}
	}
	return -1
}
