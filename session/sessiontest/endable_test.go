package sessiontest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// endable is the least engine that keeps sessions in their tokens and can end
// them, but sees no conflicts: a token is that of stateless, and what it holds
// begins with the session's id. The ids that were ended are on a list. Tests may
// replace some of its methods.
type endable struct {
	stateless
	load        loadFunc
	save, renew writeFunc
	delete      func(ctx context.Context, token string) error

	mu    sync.Mutex
	ended map[string]bool
}

var endableFeatures = sessiontest.Features{Revocable: true, IgnoresContext: true, MaxBytes: 4096, SynctestBubble: true}

func newEndable(breaks func(e *endable)) *endable {
	e := &endable{stateless: stateless{limit: 4096}, ended: make(map[string]bool)}
	e.load = func(_ context.Context, token string) (*session.Record, error) {
		_, rec, err := e.open(token)
		return rec, err
	}
	e.save, e.renew = e.rightSave, e.rightRenew
	e.delete = func(_ context.Context, token string) error {
		if id, _, err := e.open(token); err == nil {
			e.end(id)
		}
		return nil
	}
	breaks(e)
	return e
}

func (e *endable) Load(ctx context.Context, token string) (*session.Record, error) {
	return e.load(ctx, token)
}

func (e *endable) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return e.save(ctx, token, rec)
}

func (e *endable) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return e.renew(ctx, token, rec)
}

func (e *endable) Delete(ctx context.Context, token string) error { return e.delete(ctx, token) }

func (e *endable) rightSave(_ context.Context, token string, rec *session.Record) (string, error) {
	if token == "" {
		return e.seal(rand.Text(), rec)
	}
	id, err := e.alive(token)
	if err != nil {
		return "", err
	}
	return e.seal(id, rec)
}

func (e *endable) rightRenew(ctx context.Context, token string, rec *session.Record) (string, error) {
	newToken, err := e.seal(rand.Text(), rec)
	if token == "" || err != nil {
		return newToken, err
	}
	id, err := e.alive(token)
	if err != nil {
		return "", err
	}
	if !e.end(id) {
		return "", session.ErrGone
	}
	return newToken, nil
}

// seal makes a token.
func (e *endable) seal(id string, rec *session.Record) (string, error) {
	stored := *rec
	stored.Data = append([]byte(id), rec.Data...)
	return e.stateless.Save(context.Background(), "", &stored)
}

// open reads a token, unless its session was ended.
func (e *endable) open(token string) (id string, rec *session.Record, err error) {
	rec, err = e.stateless.Load(context.Background(), token)
	if err != nil {
		return "", nil, err
	}
	n := len(rand.Text())
	id, rec.Data = string(rec.Data[:n]), rec.Data[n:]
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended[id] {
		return "", nil, session.ErrNotFound
	}
	return id, rec, nil
}

// alive is open for a session that is to be written.
func (e *endable) alive(token string) (id string, err error) {
	id, _, err = e.open(token)
	if err != nil {
		return "", session.ErrGone
	}
	return id, nil
}

// end reports whether the session was not ended before.
func (e *endable) end(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.ended[id]
	e.ended[id] = true
	return first
}

func endableSubject(name string, breaks func(*endable)) sessiontest.Subject {
	return sessiontest.Subject{
		Name:     name,
		New:      func(*testing.T) session.SessionStore { return newEndable(breaks) },
		Features: endableFeatures,
	}
}

func asItIs(*endable) {}

func TestEndable(t *testing.T) {
	sessiontest.Run(t, endableSubject("", asItIs).New, endableFeatures)
}

func TestRandomOperationsOfEndable(t *testing.T) {
	for seed := range uint64(20) { // 0 is a random one
		sessiontest.RunRandom(t, seed, 1000, memorySubject, endableSubject("endable", asItIs))
	}
}

// endableMutants break what ends a session, other than those of Memory do: a
// session has many tokens, and nothing but its id says that they belong
// together.
var endableMutants = []struct {
	name   string
	breaks func(e *endable)
	caught []string
	random bool
}{
	{"a session that is renewed twice at once splits in two", func(e *endable) {
		e.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token == "" {
				return e.seal(rand.Text(), rec)
			}
			id, err := e.alive(token)
			if err != nil {
				return "", err
			}
			pause()
			e.end(id)
			return e.seal(rand.Text(), rec)
		}
	}, []string{caseRenewRace}, false},
	{"of two who renew at once nobody wins", func(e *endable) {
		waiting := make(map[string]int)
		e.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			e.mu.Lock()
			waiting[token]++
			e.mu.Unlock()
			pause()
			e.mu.Lock()
			alone := waiting[token] == 1
			e.mu.Unlock()
			if token != "" && !alone {
				return "", session.ErrGone
			}
			return e.rightRenew(ctx, token, rec)
		}
	}, []string{caseRenewRace}, false},
	{"Renew gives way to a Save", func(e *endable) {
		saved := make(map[string]bool)
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			e.mu.Lock()
			saved[token] = true
			e.mu.Unlock()
			return e.rightSave(ctx, token, rec)
		}
		e.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			e.mu.Lock()
			late := token != "" && saved[token]
			e.mu.Unlock()
			if late {
				return "", session.ErrGone
			}
			return e.rightRenew(ctx, token, rec)
		}
	}, []string{caseRenewSave}, true},
	{"Renew ends the session that it begins", func(e *endable) {
		e.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightRenew(ctx, token, rec)
			if id, _, err := e.open(newToken); err == nil && token != "" {
				e.end(id)
			}
			return newToken, err
		}
	}, []string{caseRenew, caseRenewRace, caseRenewSave}, true},
	{"Renew ends nothing", func(e *endable) {
		e.renew = func(_ context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				if _, err := e.alive(token); err != nil {
					return "", err
				}
			}
			return e.seal(rand.Text(), rec)
		}
	}, []string{caseRenew, caseRenewRace, caseRenewSave}, true},
	{"a Renew that comes late brings the old token back", func(e *endable) {
		back := make(map[string]session.Record) // by token
		e.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightRenew(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				e.mu.Lock()
				back[token] = *rec
				e.mu.Unlock()
			}
			return newToken, err
		}
		load := e.load
		e.load = func(ctx context.Context, token string) (*session.Record, error) {
			e.mu.Lock()
			rec, ok := back[token]
			e.mu.Unlock()
			if ok {
				return &rec, nil
			}
			return load(ctx, token)
		}
	}, []string{caseRenewRace, caseRenewedUsed}, true},
	{"each Save begins a session of its own", func(e *endable) {
		e.save = func(_ context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				if _, err := e.alive(token); err != nil {
					return "", err
				}
			}
			return e.seal(rand.Text(), rec)
		}
	}, []string{caseRenewSave, caseLogoutRace}, true},
	{"a Save in the middle of which the session ends begins a new one", func(e *endable) {
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightSave(ctx, token, rec)
			if token != "" && err == nil {
				pause()
				if _, err := e.alive(newToken); err != nil {
					return e.seal(rand.Text(), rec)
				}
			}
			return newToken, err
		}
	}, []string{caseRenewSave, caseLogoutRace}, false},
	{"Save of a session that was ended is a conflict", func(e *endable) {
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightSave(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				err = session.ErrConflict
			}
			return newToken, err
		}
	}, []string{caseRenewSave, caseLogoutRace, caseResurrected}, true},
	{"Delete does nothing", func(e *endable) {
		e.delete = func(context.Context, string) error { return nil }
	}, []string{caseDeleted, caseResurrected, caseLogoutRace}, true},
	{"Delete ends one token of the session", func(e *endable) {
		deleted := make(map[string]bool)
		e.delete = func(_ context.Context, token string) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			deleted[token] = true
			return nil
		}
		gone := func(token string) bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return deleted[token]
		}
		load := e.load
		e.load = func(ctx context.Context, token string) (*session.Record, error) {
			if gone(token) {
				return nil, session.ErrNotFound
			}
			return load(ctx, token)
		}
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if gone(token) {
				return "", session.ErrGone
			}
			return e.rightSave(ctx, token, rec)
		}
	}, []string{caseLogoutRace}, true},
	{"Delete ends nothing while another token lives longer", func(e *endable) {
		longest := make(map[string]time.Time) // by id
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightSave(ctx, token, rec)
			if id, rec, err := e.open(newToken); err == nil {
				e.mu.Lock()
				if rec.Expires.After(longest[id]) {
					longest[id] = rec.Expires
				}
				e.mu.Unlock()
			}
			return newToken, err
		}
		e.delete = func(_ context.Context, token string) error {
			id, rec, err := e.open(token)
			if err != nil {
				return nil
			}
			e.mu.Lock()
			last := !rec.Expires.Before(longest[id])
			e.mu.Unlock()
			if last {
				e.end(id)
			}
			return nil
		}
	}, nil, true},
	{"Delete ends the session of an expired token", func(e *endable) {
		ids := make(map[string]string)
		e.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := e.rightSave(ctx, token, rec)
			if id, _, err := e.open(newToken); err == nil {
				e.mu.Lock()
				ids[newToken] = id
				e.mu.Unlock()
			}
			return newToken, err
		}
		e.delete = func(_ context.Context, token string) error {
			e.mu.Lock()
			id := ids[token]
			e.mu.Unlock()
			e.end(id)
			return nil
		}
	}, nil, true},
}

func TestSuiteCatchesEndableMutants(t *testing.T) {
	for _, m := range endableMutants {
		t.Run(m.name, func(t *testing.T) {
			subject := endableSubject("mutant", m.breaks)
			for _, name := range m.caught {
				if len(sessiontest.CaseReports(t, name, subject.New, subject.Features)) == 0 {
					t.Errorf("the case %q does not see it", name)
				}
			}
			if !m.random {
				return
			}
			reports := sessiontest.RandomReports(t, 1, 2000, endableSubject("endable", asItIs), subject)
			if len(reports) == 0 {
				t.Fatal("2000 random operations do not find it")
			}
			if last := reports[len(reports)-1]; !strings.Contains(last, "mutant: ") ||
				strings.Contains(last, "endable: ") {
				t.Errorf("the report is not of the mutant alone:\n%s", last)
			}
		})
	}
}
