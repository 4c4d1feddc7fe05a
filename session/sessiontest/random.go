package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
)

// A Subject is an engine that [RunRandom] tests.
type Subject struct {
	Name     string
	New      func(t *testing.T) session.SessionStore // as for Run
	Features Features
}

// seedVariable is the environment variable that repeats a run of RunRandom.
const seedVariable = "SESSIONTEST_SEED"

// RunRandom does the same random operations on each of the subjects: it
// creates, loads, saves and renews sessions, some of them stale, deletes and
// touches them, presents forged tokens, cancels calls, lets time pass and cleans
// up. After each operation it compares what every subject answered with what
// its Features promise, so that engines can differ in nothing else.
//
// The seed determines the operations; 0 stands for a random one. A failure
// prints the seed, the operations that led to it and the command that repeats
// them. The environment variable SESSIONTEST_SEED takes the seed's place.
//
// The subjects' stores are made in a bubble of [testing/synctest] if all of them
// can be there. Otherwise time is real: a hundred operations take about a
// second of waiting then, besides their own time.
func RunRandom(t *testing.T, seed uint64, ops int, subjects ...Subject) {
	t.Helper()
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s=%q is not an unsigned integer", seedVariable, s)
		}
	}
	for seed == 0 {
		seed = rand.Uint64()
	}
	runRandom(t, func(t *testing.T) testing.TB { return t }, seed, ops, subjects)
}

// runRandom reports to what report makes of the test that it runs in.
func runRandom(t *testing.T, report func(*testing.T) testing.TB, seed uint64, ops int, subjects []Subject) {
	t.Helper()
	bubble := true
	for _, s := range subjects {
		bubble = bubble && s.Features.SynctestBubble
	}
	run := func(t *testing.T) {
		r := &randomRun{
			tb:     report(t),
			repeat: repeatCommand(t.Name(), seed),
			random: rand.New(rand.NewPCG(seed, 0)),
			bubble: bubble,
		}
		for _, s := range subjects {
			r.actors = append(r.actors, &actor{Subject: s, check: newCheck(r.tb, t, s.New(t), s.Features)})
		}
		r.run(ops)
	}
	if bubble {
		synctest.Test(t, run)
	} else {
		run(t)
	}
}

// repeatCommand is the command that runs a test again with a seed.
func repeatCommand(test string, seed uint64) string {
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok {
		pkg = strings.TrimSuffix(info.Path, ".test")
	}
	parts := strings.Split(test, "/")
	for i := range parts {
		parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
	}
	return fmt.Sprintf("%s=%d go test -run '%s' %s", seedVariable, seed, strings.Join(parts, "/"), pkg)
}

// A randomRun is one run of RunRandom.
type randomRun struct {
	tb     testing.TB
	repeat string // command
	random *rand.Rand
	bubble bool
	actors []*actor
	count  int      // of operations
	done   []string // those that did something, and what came of them
}

// An actor is a subject at work, and what it has to answer.
type actor struct {
	Subject
	*check
	slots [slots]slot
	lives []*life
}

// slots is how many tokens and records a run has at hand. The same operation
// acts on the same slot of every actor.
const slots = 10

// A slot holds what a request would: a token, and the record that was loaded
// with it or saved. Several slots may hold the same session, so that all but
// one of them get stale.
type slot struct {
	token   string // "" for a slot that is not in use
	rec     session.Record
	life    *life
	issued  state // that the token was issued for
	writes  int   // that life had seen when rec was loaded or saved
	touches int
}

// A life is a session as it should be, from its creation to its end. Renew
// begins another one.
type life struct {
	state
	dead    bool // by Delete or Renew
	cleaned bool // by DeleteExpired
	writes  int
	touches int
}

type state struct {
	data    string
	expires time.Time
}

// Answers of actors that do not call their store.
const (
	nothing = "nothing to do" // with a slot that holds no token
	cannot  = "cannot"        // for want of an optional interface
)

// An operation is what all actors do in one step.
type operation struct {
	name    string
	slot    int // acted on
	to      int // where what was created or loaded goes
	state       // to save
	forge   int // which byte of the token to change
	advance time.Duration
}

func (op operation) String() string {
	text := fmt.Sprintf("%-16s", op.name)
	switch op.name {
	case "create":
		text += fmt.Sprintf(" in slot %d", op.to)
	case "load":
		text += fmt.Sprintf(" slot %d into slot %d", op.slot, op.to)
	case "wait":
		return text + " " + op.advance.String()
	case "delete expired":
		return text
	default:
		text += fmt.Sprintf(" slot %d", op.slot)
	}
	switch op.name {
	case "create", "save", "renew", "touch":
		text += fmt.Sprintf(", to expire at %s", op.expires.Format(time.TimeOnly))
	}
	return text
}

func (r *randomRun) run(ops int) {
	r.tb.Helper()
	for n := range ops {
		r.avoidExpiry()
		before := time.Now()
		op := r.next(n)
		if !r.step(op) {
			return
		}
		if op.name != "wait" && r.expiredIn(before, time.Now()) {
			r.tb.Logf("stopped after %d of %d operations, since a session expired during the last one and could be "+
				"seen in both states", n+1, ops)
			return
		}
	}
	for i := range slots {
		r.avoidExpiry()
		if !r.step(operation{name: "load", slot: i, to: i}) {
			return
		}
	}
}

// next makes up the n-th operation.
func (r *randomRun) next(n int) operation {
	op := operation{slot: r.random.IntN(slots), to: r.random.IntN(slots)}
	op.data = fmt.Sprintf(`{"%s":"%s","n":%d,"text":"%s"}`, marker, marker, n, strings.Repeat("đ", r.random.IntN(200)))
	op.expires = inSeconds(2 + r.random.IntN(6))
	if r.random.IntN(3) > 0 {
		op.expires = inSeconds(3600 + r.random.IntN(3600))
	}
	wait := 1
	if r.bubble {
		wait = 5
	}
	kinds := []struct {
		name   string
		weight int
	}{
		{"create", 14}, {"load", 26}, {"save", 24}, {"renew", 8}, {"delete", 5}, {"touch", 10}, {"delete unchanged", 3},
		{"load forged", 3}, {"save forged", 3}, {"delete forged", 2}, {"save cancelled", 3},
		{"delete expired", 3}, {"wait", wait},
	}
	var sum int
	for _, k := range kinds {
		sum += k.weight
	}
	pick := r.random.IntN(sum)
	for _, k := range kinds {
		if pick -= k.weight; pick < 0 {
			op.name = k.name
			break
		}
	}
	op.forge = r.random.IntN(1 << 20)
	op.advance = time.Second
	if r.bubble {
		op.advance = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}[r.random.IntN(3)]
		if r.random.IntN(20) == 0 {
			op.advance = time.Hour
		}
	}
	if n < slots {
		op.name, op.to = "create", n
	}
	return op
}

// step lets all actors do op. It reports whether all answered as they should,
// and explains it if one did not.
func (r *randomRun) step(op operation) bool {
	r.tb.Helper()
	r.count++
	at := time.Now().UTC().Format("15:04:05.000")
	var answers, wrong []string
	idle := op.name != "wait"
	if op.name == "wait" {
		time.Sleep(op.advance)
	} else {
		for _, a := range r.actors {
			failedBefore := a.Failed()
			answer, problem := a.do(op)
			answers = append(answers, a.Name+" "+answer)
			idle = idle && (answer == nothing || answer == cannot)
			if problem == "" && a.Failed() && !failedBefore {
				problem = "broke a rule that holds for every call"
			}
			if problem != "" {
				wrong = append(wrong, a.Name+": "+problem)
			}
		}
	}
	if !idle {
		r.done = append(r.done, fmt.Sprintf("%4d  %s  %s: %s", r.count, at, op, strings.Join(answers, "; ")))
	}
	if wrong == nil {
		return true
	}
	const shown = 40
	r.tb.Errorf("operation %d: %s\nthe operations up to here:\n%s\nrepeat with: %s",
		r.count, strings.Join(wrong, "; "), strings.Join(r.done[max(0, len(r.done)-shown):], "\n"), r.repeat)
	return false
}

// avoidExpiry waits if a session is about to expire: the actors do an operation
// one after another, and should see the same.
func (r *randomRun) avoidExpiry() {
	const margin = 300 * time.Millisecond
	if r.bubble {
		return
	}
	for now := time.Now(); r.expiredIn(now, now.Add(margin)); now = time.Now() {
		time.Sleep(margin)
	}
}

// expiredIn reports whether a session expires after from and not after to.
func (r *randomRun) expiredIn(from, to time.Time) bool {
	in := func(t time.Time) bool { return t.After(from) && !t.After(to) }
	for _, a := range r.actors {
		for _, s := range a.slots {
			if s.life != nil && (in(s.life.expires) || in(s.issued.expires)) {
				return true
			}
		}
	}
	return false
}

// do does op. It returns what the store answered, and what is wrong with that,
// if anything is.
func (a *actor) do(op operation) (answer, problem string) {
	s := &a.slots[op.slot]
	if s.token == "" && op.name != "create" && op.name != "delete expired" {
		return nothing, ""
	}
	switch op.name {
	case "create":
		return a.doCreate(op)
	case "load":
		return a.doLoad(op, s)
	case "save":
		return a.doWrite(op, s, a.save)
	case "renew":
		return a.doWrite(op, s, a.renew)
	case "touch":
		return a.doTouch(op, s)
	case "delete":
		// A token that has ended ends nothing, but an only one takes what is left
		// of its session along, which DeleteExpired does not count then.
		if a.f.StableToken || !a.over(s) {
			s.life.dead = true
		}
		return judge(a.delete(s.token), nil)
	case "delete unchanged":
		if !a.deletesUnchanged() {
			return cannot, ""
		}
		err := a.deleteUnchanged(s.token, &s.rec)
		answer, problem = judge(err, a.allowed(s)...)
		if err == nil {
			s.life.dead = true
		}
		return answer, problem
	case "load forged":
		_, err := a.load(forged(s.token, op.forge))
		return judge(err, session.ErrNotFound)
	case "save forged":
		return a.doSaveForged(op, s)
	case "delete forged":
		return judge(a.delete(forged(s.token, op.forge)), nil)
	case "save cancelled":
		return a.doSaveCancelled(op, s)
	case "delete expired":
		return a.doDeleteExpired()
	}
	panic("sessiontest: unknown operation " + op.name)
}

func (a *actor) doCreate(op operation) (answer, problem string) {
	rec := session.Record{Data: []byte(op.data), Expires: op.expires}
	token, err := a.save("", &rec)
	if err != nil {
		return judge(err, nil)
	}
	if a.knows(token) {
		return "ok", "gave a token that is in use"
	}
	a.begin(op, &a.slots[op.to], token, rec)
	return "ok", ""
}

// begin puts a session that was just created, or renewed, into a slot.
func (a *actor) begin(op operation, s *slot, token string, rec session.Record) {
	l := &life{state: op.state}
	a.lives = append(a.lives, l)
	*s = slot{token: token, rec: rec, life: l, issued: op.state}
}

func (a *actor) doLoad(op operation, s *slot) (answer, problem string) {
	rec, err := a.load(s.token)
	want := a.stateOf(s)
	switch {
	case a.over(s):
		return judge(err, session.ErrNotFound)
	case !a.f.StableToken && a.f.Revocable && s.writes != s.life.writes && errors.Is(err, session.ErrNotFound):
		return "not found", "" // a token that a later one replaced
	case err != nil:
		return judge(err, nil)
	case string(rec.Data) != want.data:
		return "ok", "loaded other data: " + difference(rec.Data, []byte(want.data))
	case !rec.Expires.Equal(want.expires):
		return "ok", fmt.Sprintf("loaded a session that expires at %v, want %v", rec.Expires, want.expires)
	}
	loaded := *s
	loaded.rec = *rec
	if a.f.StableToken {
		loaded.writes, loaded.touches = s.life.writes, s.life.touches
	}
	a.slots[op.to] = loaded
	return "ok", ""
}

// doWrite does Save or Renew.
func (a *actor) doWrite(op operation, s *slot,
	write func(string, *session.Record) (string, error)) (answer, problem string) {
	rec := s.rec
	rec.Data, rec.Expires = []byte(op.data), op.expires
	newToken, err := write(s.token, &rec)
	answer, problem = judge(err, a.allowed(s)...)
	if err != nil || problem != "" {
		return answer, problem
	}
	if fresh := op.name == "renew" || !a.f.StableToken; !fresh && newToken != s.token {
		return answer, "changed the token"
	} else if fresh && a.knows(newToken) {
		return answer, "gave a token that is in use"
	}
	if op.name == "renew" {
		s.life.dead = true
		a.begin(op, s, newToken, rec)
		return answer, ""
	}
	s.life.state = op.state
	s.life.writes++
	*s = slot{token: newToken, rec: rec, life: s.life, issued: op.state, writes: s.life.writes, touches: s.life.touches}
	return answer, ""
}

func (a *actor) doTouch(op operation, s *slot) (answer, problem string) {
	if !a.touches() {
		return cannot, ""
	}
	rec := s.rec
	rec.Expires = op.expires
	err := a.touch(s.token, &rec)
	answer, problem = judge(err, a.allowed(s)...)
	if err != nil || problem != "" {
		return answer, problem
	}
	s.life.expires = op.expires
	s.life.touches++
	s.rec = rec
	s.touches = s.life.touches
	return answer, ""
}

func (a *actor) doSaveForged(op operation, s *slot) (answer, problem string) {
	token := forged(s.token, op.forge)
	rec := s.rec
	rec.Data, rec.Expires = []byte(op.data), op.expires
	newToken, err := a.save(token, &rec)
	if newToken == token {
		return "ok", "adopted a forged token"
	}
	if a.f.Revocable {
		return judge(err, session.ErrGone, session.ErrNotFound)
	}
	return judge(err, nil, session.ErrGone, session.ErrNotFound)
}

func (a *actor) doSaveCancelled(op operation, s *slot) (answer, problem string) {
	if a.f.IgnoresContext {
		return a.doWrite(op, s, a.save)
	}
	ctx, cancel := context.WithCancel(a.ctx)
	cancel()
	rec := s.rec
	rec.Data, rec.Expires = []byte(op.data), op.expires
	_, err := a.with(ctx).save(s.token, &rec)
	// What can be told without a call to the server may be told first.
	allowed := []error{context.Canceled}
	for _, e := range a.allowed(s) {
		if e != nil {
			allowed = append(allowed, e)
		}
	}
	return judge(err, allowed...)
}

func (a *actor) doDeleteExpired() (answer, problem string) {
	if !a.cleans() {
		return cannot, ""
	}
	n, err := a.deleteExpired()
	var want int64
	for _, l := range a.lives {
		if !l.dead && !l.cleaned && !time.Now().Before(l.expires) {
			l.cleaned = true
			want++
		}
	}
	if err == nil && a.f.StableToken && n != want {
		return fmt.Sprint(n), fmt.Sprintf("deleted %d sessions, want %d", n, want)
	}
	return judge(err, nil)
}

// stateOf is what the token in s stands for, as long as it does.
func (a *actor) stateOf(s *slot) state {
	if a.f.StableToken {
		return s.life.state
	}
	return s.issued
}

// over reports whether the token in s stands for nothing any more.
func (a *actor) over(s *slot) bool {
	return a.f.Revocable && s.life.dead || !time.Now().Before(a.stateOf(s).expires)
}

// allowed are the errors, nil among them, that writing the record in s may
// give.
func (a *actor) allowed(s *slot) []error {
	switch {
	case a.f.Revocable && a.over(s):
		return []error{session.ErrGone}
	case a.f.DetectsConflicts && s.writes != s.life.writes:
		return []error{session.ErrConflict}
	case a.f.DetectsConflicts && s.touches != s.life.touches:
		return []error{nil, session.ErrConflict} // the data is the same
	}
	return []error{nil}
}

func (a *actor) knows(token string) bool {
	for _, s := range a.slots {
		if s.token == token {
			return true
		}
	}
	return false
}

// forged is token with one byte changed.
func forged(token string, n int) string {
	b := []byte(token)
	b[n%len(b)] ^= byte(1 + n/len(b)%31)
	return string(b)
}

// judge names what err stands for, and says what is wrong with it unless it
// matches one of the allowed errors.
func judge(err error, allowed ...error) (answer, problem string) {
	var want []string
	for _, e := range allowed {
		if err == e || err != nil && errors.Is(err, e) {
			return outcome(err), ""
		}
		want = append(want, outcome(e))
	}
	return outcome(err), fmt.Sprintf("gave %s, want %s", outcome(err), strings.Join(want, " or "))
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, session.ErrNotFound):
		return "not found"
	case errors.Is(err, session.ErrGone):
		return "gone"
	case errors.Is(err, session.ErrConflict):
		return "conflict"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return fmt.Sprintf("%q", err)
}
