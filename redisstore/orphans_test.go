package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/redisstore"
	"sessionengine/session"
)

// A hook stands before each command, or each pipeline, of a client.
type hook struct {
	around func(ctx context.Context, cmds []redis.Cmder, next func() error) error
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.around(ctx, []redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
		if err != nil && cmd.Err() == nil {
			cmd.SetErr(err)
		}
		return err
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.around(ctx, cmds, func() error { return next(ctx, cmds) })
	}
}

// writesSession reports whether a command is a script or SET about a session.
func writesSession(cmd redis.Cmder) bool {
	args := cmd.Args()
	at := map[string]int{"evalsha": 3, "eval": 3, "set": 1}[cmd.Name()]
	return at > 0 && len(args) > at && !strings.Contains(args[at].(string), ":o:{")
}

// Between the moment at which a session is noted and that at which it is written,
// others end and list the owner's sessions.
func TestEndingAndListingBetweenIndexAndSession(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		for _, tc := range []struct {
			name  string
			owner string // of the session before
			write func(s *redisstore.Store, token string, rec *session.Record) (string, error)
			dead  bool // after an ending in between
		}{
			{"a session that begins", "", func(s *redisstore.Store, _ string, rec *session.Record) (string, error) {
				rec.Version = ""
				return s.Save(t.Context(), "", rec)
			}, false},
			{"a login with a fresh token", "", func(s *redisstore.Store, token string, rec *session.Record) (string, error) {
				return s.Renew(t.Context(), token, rec)
			}, false},
			{"a login under the same token", "", func(s *redisstore.Store, token string, rec *session.Record) (string, error) {
				return s.Save(t.Context(), token, rec)
			}, false},
			{"a session that is saved", "ann", func(s *redisstore.Store, token string, rec *session.Record) (string, error) {
				return s.Save(t.Context(), token, rec)
			}, true},
			{"a session that is renewed", "ann", func(s *redisstore.Store, token string, rec *session.Record) (string, error) {
				return s.Renew(t.Context(), token, rec)
			}, true},
			{"one that ends the others", "ann", func(s *redisstore.Store, token string, _ *session.Record) (string, error) {
				return s.EndOtherSessions(t.Context(), "ann", token)
			}, true},
		} {
			for _, act := range []string{"EndSessions", "EndSession", "Sessions"} {
				store := open(t, url, redisstore.Options{Owners: true})
				other := open(t, url, redisstore.Options{Owners: true, Prefix: store.Prefix()})
				rec := record(tc.owner, `{"n":1}`)
				token := begin(t, store, rec)
				rec.Owner = "ann"
				var once sync.Once
				store.Client().AddHook(hook{func(ctx context.Context, cmds []redis.Cmder, next func() error) error {
					if len(cmds) == 1 && writesSession(cmds[0]) {
						once.Do(func() {
							var err error
							switch act {
							case "EndSessions":
								_, err = other.EndSessions(ctx, "ann")
							case "EndSession":
								err = other.EndSession(ctx, "ann", token[:12])
							default:
								_, _, err = other.Sessions(ctx, "ann", "", "", 0)
							}
							if err != nil {
								t.Errorf("%s beside %s: %v", act, tc.name, err)
							}
						})
					}
					return next()
				}})
				newToken, err := tc.write(store, token, rec)
				if err != nil && !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrConflict) {
					t.Errorf("%s beside %s: %v", tc.name, act, err)
				}
				alive := false
				for _, tok := range []string{token, newToken} {
					if got, err := other.Load(t.Context(), tok); err == nil && got != nil {
						alive = true
					}
				}
				switch {
				case act != "Sessions" && tc.dead && alive:
					t.Errorf("%s lives after %s", tc.name, act)
				case act == "Sessions" && !alive:
					t.Errorf("%s is dead after %s: %v", tc.name, act, err)
				}
				living, _ := other.Members(t, "ann")
				if owned := other.Owned(t, "ann")["ann"]; living != owned {
					t.Errorf("%s beside %s: the index knows %d of %d sessions", tc.name, act, living, owned)
				}
			}
		}
	})
}

var errCrash = errors.New("the process has ended")

// operationsVariable is how many random operations TestNoOrphans does.
const operationsVariable = "SESSIONENGINE_REDIS_OPERATIONS"

// Processes that end at any moment leave neither sessions that no index knows, nor
// keys without an expiry, and what they leave in an index goes when it is read.
func TestNoOrphans(t *testing.T) {
	operations := 10000
	if n, err := strconv.Atoi(os.Getenv(operationsVariable)); err == nil {
		operations = n
	}
	onAll(t, func(t *testing.T, url string) {
		const workers = 16
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprint("owner", i))
		}
		store := open(t, url, redisstore.Options{Owners: true})
		var done, crashes atomic.Int64
		var wg sync.WaitGroup
		for w := range workers {
			crashing := open(t, url, redisstore.Options{Owners: true, Prefix: store.Prefix()})
			random := rand.New(rand.NewPCG(1, uint64(w)))
			crashing.Client().AddHook(hook{func(_ context.Context, _ []redis.Cmder, next func() error) error {
				switch random.IntN(60) {
				case 0: // before the command
					crashes.Add(1)
					return errCrash
				case 1: // after it
					crashes.Add(1)
					next()
					return errCrash
				}
				return next()
			}})
			wg.Go(func() {
				for done.Load() < int64(operations) {
					done.Add(live(t, crashing, random, names[random.IntN(len(names))]))
				}
			})
		}
		wg.Wait()

		left, living := 0, 0
		owned := store.Owned(t, names...)
		for _, owner := range names {
			known, orphans := store.Members(t, owner)
			// Sessions that were there a moment ago may have expired.
			if known > owned[owner] || known < owned[owner] && known < store.Owned(t, owner)[owner] {
				t.Errorf("the index knows %d of %d sessions", known, owned[owner])
			}
			left, living = left+orphans, living+known
			for after, next := "", "?"; next != ""; after = next {
				var err error
				if _, next, err = store.Sessions(t.Context(), owner, "", after, 0); err != nil {
					t.Fatal(err)
				}
			}
			if _, orphans := store.Members(t, owner); orphans != 0 {
				t.Errorf("%d orphans are left in an index that was read", orphans)
			}
		}
		withoutTTL := store.WithoutTTL(t)
		t.Logf("%d operations, %d crashes, %d sessions in the index: it had %d members of crashed operations, "+
			"and has none since it was read; %d keys without a TTL", done.Load(), crashes.Load(), living, left, withoutTTL)
		if withoutTTL != 0 {
			t.Errorf("%d keys have no expiry", withoutTTL)
		}
		for _, owner := range names {
			if _, err := store.EndSessions(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
		}
		for owner, n := range store.Owned(t, names...) {
			if n != 0 {
				t.Errorf("%d sessions of %s have survived", n, owner)
			}
		}
	})
}

// live is the life of a visitor, as far as it gets: a crash ends it, and then
// nobody has the token. It returns the number of operations.
func live(t *testing.T, store *redisstore.Store, random *rand.Rand, owner string) (operations int64) {
	ctx := t.Context()
	rec := record("", `{"n":1}`)
	rec.Expires = time.Now().Add(time.Duration(1+random.IntN(3600)) * time.Second)
	token, err := store.Save(ctx, "", rec)
	operations++
	for n := random.IntN(6); n > 0 && err == nil; n-- {
		operations++
		switch random.IntN(9) {
		case 0, 1:
			rec.Owner = owner
			token, err = store.Renew(ctx, token, rec)
		case 2, 3:
			token, err = store.Save(ctx, token, rec)
		case 4:
			rec.Expires = rec.Expires.Add(time.Minute)
			err = store.Touch(ctx, token, rec)
		case 5:
			rec.Owner = "" // logged out, and the session goes on
			token, err = store.Save(ctx, token, rec)
		case 6:
			if random.IntN(20) == 0 {
				_, err = store.EndSessions(ctx, owner)
			}
		case 7:
			if random.IntN(20) == 0 {
				token, err = store.EndOtherSessions(ctx, owner, token)
			}
		case 8:
			err = store.DeleteUnchanged(ctx, token, rec)
		}
	}
	if random.IntN(2) == 0 {
		store.Delete(ctx, token)
		operations++
	}
	if err != nil && !errors.Is(err, errCrash) && !errors.Is(err, session.ErrGone) &&
		!errors.Is(err, session.ErrConflict) {
		t.Errorf("an operation failed: %v", err)
	}
	return operations
}
