package sessiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"sessionengine/session"
)

// patience is how long a case of many goroutines may go on before it is given
// up as stuck.
const patience = 2 * time.Minute

// parallel calls f(0) to f(n-1), each in its goroutine, starting together, and
// waits for all. f must not call FailNow.
func (c *check) parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// collide is parallel for the rounds of a race. Who comes first changes from
// round to round, and the lead grows: a step of the other one that has to be
// hit may be nanoseconds away, or a query.
func (c *check) collide(round, n int, f func(i int)) {
	lead := time.Duration(round/2) * 20 * time.Microsecond
	c.parallel(n, func(i int) {
		if i%2 != round%2 {
			time.Sleep(lead)
			runtime.Gosched()
		}
		f(i)
	})
}

// rounds is how often a race is run.
const rounds = 20

var concurrencyCases = []testCase{
	{
		name: "fifty writers of one session lose no update",
		rule: "Fifty goroutines load a counter, add one and save, and start again on session.ErrConflict: the " +
			"counter ends at fifty. Without DetectsConflicts none of them fails, and what is loaded in the end was " +
			"saved by one of them, whole.",
		run: func(c *check) {
			const writers = 50
			ctx, cancel := context.WithTimeout(c.ctx, patience)
			defer cancel()
			c = c.with(ctx)
			token, _ := c.create(counter(0), inSeconds(3600))
			if !c.f.DetectsConflicts {
				rec := *c.mustLoad(token)
				c.parallel(writers, func(i int) {
					mine := rec
					mine.Data = counter(i)
					newToken, err := c.save(token, &mine)
					if err != nil {
						c.Errorf("Save beside others: %v", err)
					} else if !c.f.StableToken {
						c.wantData("after Save beside others", newToken, counter(i))
					}
				})
				if c.f.StableToken {
					if n := count(c.mustLoad(token).Data); n < 0 || n >= writers {
						c.Errorf("after %d writers the session holds what none of them saved", writers)
					}
				}
				return
			}
			var mu sync.Mutex // guards current
			current := token
			c.parallel(writers, func(int) {
				for {
					mu.Lock()
					mine := current
					mu.Unlock()
					rec, err := c.load(mine)
					if err != nil {
						c.Errorf("Load beside writers: %v", err)
						return
					}
					rec.Data = counter(count(rec.Data) + 1)
					newToken, err := c.save(mine, rec)
					if errors.Is(err, session.ErrConflict) {
						continue
					}
					if err != nil {
						c.Errorf("Save beside others: %v", err)
						return
					}
					if newToken != mine {
						mu.Lock()
						current = newToken
						mu.Unlock()
					}
					return
				}
			})
			c.wantData("after fifty writers", current, counter(writers))
		},
	},
	{
		name: "of many who renew one token one wins",
		rule: "Renew is one atomic step: of concurrent Renews of one loaded state exactly one succeeds and the " +
			"others get session.ErrConflict or session.ErrGone, so that a session never splits in two. All succeed " +
			"in a store that neither DetectsConflicts nor is Revocable.",
		run: func(c *check) { c.race("Renew", 8, 0) },
	},
	{
		name: "of one who renews and one who saves one wins",
		rule: "Of a Save and a Renew of one loaded state exactly one succeeds: data saved under the old token is not " +
			"left behind by the new one. Without DetectsConflicts both may succeed. If the store is Revocable, Renew " +
			"always does then, and its token is the only one that is alive: Save gives session.ErrGone or was " +
			"there before.",
		run: func(c *check) { c.race("Renew and Save", 1, 1) },
	},
	{
		name: "a save that races with a logout does not undo it",
		rule: "Whatever comes first, Save or Delete, the session is dead when both are done, in a store that is " +
			"Revocable: Save gives session.ErrGone or was there before.",
		run: func(c *check) {
			for round := range rounds {
				token, rec := c.create(payload(round), inSeconds(3600))
				rec.Data = payload(round + 1000)
				var newToken string
				c.collide(round, 2, func(i int) {
					if i == 0 {
						if err := c.delete(token); err != nil {
							c.Errorf("Delete beside Save: %v", err)
						}
						return
					}
					var err error
					newToken, err = c.save(token, rec)
					if err != nil && !(c.f.Revocable && errors.Is(err, session.ErrGone)) {
						c.Errorf("Save beside Delete: %v", err)
					}
				})
				if c.f.Revocable {
					c.wantDead("after Save beside Delete", token)
					if newToken != "" {
						c.wantDead("after Save beside Delete, the token that Save gave", newToken)
					}
				} else if newToken != "" {
					c.wantData("after Save beside Delete, without Revocable", newToken, payload(round+1000))
				}
			}
		},
	},
	{
		name: "a touch that races with a save loses no data",
		rule: "When Save succeeds beside a Touch of the same state, its data is there in the end: Touch writes no " +
			"data, not even what it has read.",
		run: func(c *check) {
			if !c.touches() {
				return
			}
			for round := range rounds {
				token, rec := c.create(payload(round), inSeconds(3600))
				touched := *rec
				touched.Expires = inSeconds(7200)
				rec.Data = payload(round + 1000)
				want := payload(round)
				c.collide(round, 2, func(i int) {
					var err error
					if i == 0 {
						err = c.touch(token, &touched)
					} else if _, err = c.save(token, rec); err == nil {
						want = rec.Data
					}
					if err != nil && !errors.Is(err, session.ErrConflict) {
						c.Errorf("Touch beside Save: %v", err)
					}
				})
				c.wantData("after Touch beside Save", token, want)
			}
		},
	},
	{
		name: "of one who saves and one who deletes what is unchanged one wins",
		rule: "Of a Save and a DeleteUnchanged of one loaded state exactly one succeeds: what was saved is not " +
			"deleted, and what was deleted stays so.",
		run: func(c *check) {
			if !c.deletesUnchanged() {
				return
			}
			for round := range rounds {
				token, rec := c.create(payload(round), inSeconds(3600))
				deleted := *rec
				rec.Data = payload(round + 1000)
				errs := make([]error, 2)
				c.collide(round, 2, func(i int) {
					if i == 0 {
						errs[i] = c.deleteUnchanged(token, &deleted)
					} else {
						_, errs[i] = c.save(token, rec)
					}
				})
				switch {
				case errs[0] == nil && errors.Is(errs[1], session.ErrGone):
					c.wantDead("after DeleteUnchanged won", token)
				case errs[1] == nil && errors.Is(errs[0], session.ErrConflict):
					c.wantData("after Save won", token, rec.Data)
				default:
					c.Errorf("DeleteUnchanged gave the error %v and Save beside it %v, want one success and "+
						"session.ErrGone for Save or session.ErrConflict for DeleteUnchanged", errs[0], errs[1])
				}
			}
		},
	},
	{
		name: "many sessions are used at once",
		rule: "A store is safe for concurrent use: goroutines that create, load, save, renew and delete sessions of " +
			"their own do not see each other's.",
		run: func(c *check) {
			const workers, lives = 16, 10
			ctx, cancel := context.WithTimeout(c.ctx, patience)
			defer cancel()
			c = c.with(ctx)
			c.parallel(workers, func(worker int) {
				for life := range lives {
					if err := c.oneLife(worker*lives + life); err != nil {
						c.Errorf("beside other sessions: %v", err)
						return
					}
				}
			})
		},
	},
}

// oneLife takes a session of its own from its creation to its end.
func (c *check) oneLife(n int) error {
	rec := record(payload(n))
	token, err := c.save("", rec)
	if err != nil {
		return fmt.Errorf("Save of a new session: %w", err)
	}
	c.wantData("a new session", token, payload(n))
	rec.Data = payload(n + 1_000_000)
	if token, err = c.save(token, rec); err != nil {
		return fmt.Errorf("Save: %w", err)
	}
	if token, err = c.renew(token, rec); err != nil {
		return fmt.Errorf("Renew: %w", err)
	}
	c.wantData("a renewed session", token, payload(n+1_000_000))
	if err := c.delete(token); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	if c.f.Revocable {
		c.wantDead("a deleted session", token)
	}
	return nil
}

// race lets goroutines renew and save one loaded state at once, some rounds
// long. Whoever wins must find the session under the token it got, holding what
// it wrote, unless somebody else may have written later. Where conflicts are
// detected exactly one must win. Where sessions can be ended, but conflicts are
// not detected, a Save may win as well, but only before a Renew, which ends what
// Save gave.
func (c *check) race(name string, renewers, savers int) {
	c.Helper()
	n := renewers + savers
	for round := range rounds {
		token, _ := c.create(payload(round), inSeconds(3600))
		loaded := c.mustLoad(token)
		won := make([]string, n)
		c.collide(round, n, func(i int) {
			mine := *loaded
			mine.Data = payload(1000 + i)
			write := c.save
			if i < renewers {
				write = c.renew
			}
			var err error
			won[i], err = write(token, &mine)
			conflict := c.f.DetectsConflicts && errors.Is(err, session.ErrConflict)
			gone := (c.f.DetectsConflicts || c.f.Revocable) && errors.Is(err, session.ErrGone)
			if err != nil && !conflict && !gone {
				c.Errorf("%s beside others: %v", name, err)
			}
		})
		renewed, saved := winners(won[:renewers]), winners(won[renewers:])
		switch {
		case c.f.DetectsConflicts && renewed+saved != 1:
			c.Errorf("%d of %d goroutines that wrote one loaded state with %s won, want 1", renewed+saved, n, name)
			return
		case c.f.Revocable && !c.f.DetectsConflicts && renewed != 1:
			c.Errorf("%d of %d goroutines that renewed one loaded state won, want 1", renewed, renewers)
			return
		}
		for i, newToken := range won {
			byRenew := i < renewers
			switch {
			case newToken == "":
			case !byRenew && renewed > 0 && c.f.Revocable:
				c.wantDead("after "+name+", the token that Save gave", newToken)
			case byRenew || c.f.DetectsConflicts || !c.f.StableToken:
				c.wantData("after "+name+", the winner's token", newToken, payload(1000+i))
			}
		}
		if c.f.Revocable && renewed > 0 {
			c.wantDead("after "+name+", the old token", token)
		}
	}
}

// winners counts who got a token.
func winners(tokens []string) int {
	n := 0
	for _, token := range tokens {
		if token != "" {
			n++
		}
	}
	return n
}

func counter(n int) []byte {
	return fmt.Appendf(nil, `{"%s":"%s","n":%d}`, marker, marker, n)
}

// count reads a counter; -1 stands for anything else.
func count(data []byte) int {
	var v struct{ N *int }
	if err := json.Unmarshal(data, &v); err != nil || v.N == nil {
		return -1
	}
	return *v.N
}

var peerCases = []testCase{
	{
		name: "processes that share a database or keys share their sessions",
		rule: "What one process saved another one loads, and the rules hold between them as within one: an engine " +
			"that keeps copies in its memory must not show old ones.",
		run: func(c *check) {
			if c.f.Peer == nil {
				return
			}
			a, b := c, c.on(c.f.Peer(c.t, c.store))
			token, _ := a.create(payload(1), inSeconds(3600))
			b.wantData("in another process", token, payload(1))

			// Both have loaded the session when one saves it.
			ofA, ofB := a.mustLoad(token), b.mustLoad(token)
			ofA.Data = payload(2)
			newToken := a.mustSave(token, ofA)
			b.wantData("in another process after Save", newToken, payload(2))
			ofB.Data = payload(3)
			if _, err := b.save(token, ofB); c.f.DetectsConflicts {
				b.wantErr("Save of a stale record in another process", err, session.ErrConflict)
				a.wantData("after a conflict in another process", newToken, payload(2))
			} else if err != nil {
				b.Errorf("Save in another process: %v", err)
			}

			loaded := b.mustLoad(newToken)
			renewed, err := b.renew(newToken, loaded)
			if err != nil {
				c.Fatalf("Renew in another process: %v", err)
			}
			current := a.mustLoad(renewed)
			if c.f.Revocable {
				a.wantDead("the old token after Renew in another process", newToken)
			}
			if err := b.delete(renewed); err != nil {
				b.Errorf("Delete in another process: %v", err)
			}
			if c.f.Revocable {
				a.wantDead("after Delete in another process", renewed)
				_, err := a.save(renewed, current)
				a.wantErr("Save after Delete in another process", err, session.ErrGone)
			} else {
				a.wantData("after Delete in another process, without Revocable", renewed, current.Data)
			}
		},
	},
}
