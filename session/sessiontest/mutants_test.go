package sessiontest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// A mutant is a store that breaks one rule. The tests below show that the suite
// sees it: what is not shown to fail may pass for the wrong reason.
type mutant struct {
	name   string
	breaks func(b *broken)
	caught []string // the cases that must see it
	random bool     // whether the random operations must see it as well
}

type (
	loadFunc  = func(ctx context.Context, token string) (*session.Record, error)
	writeFunc = func(ctx context.Context, token string, rec *session.Record) (string, error)
)

// broken is a Memory with some of its methods replaced.
type broken struct {
	*sessiontest.Memory
	mu sync.Mutex // for the state of a mutant

	load          loadFunc
	save, renew   writeFunc
	delete        func(ctx context.Context, token string) error
	touch         func(ctx context.Context, token string, rec *session.Record) error
	deleteSame    func(ctx context.Context, token string, rec *session.Record) error
	deleteExpired func(ctx context.Context) (int64, error)
	endAll        func(ctx context.Context, owner string) (int64, error)
	endOthers     func(ctx context.Context, owner, token string) (string, error)
	list          func(ctx context.Context, owner, token, after string, limit int) ([]session.SessionInfo, string, error)
	endOne        func(ctx context.Context, owner, id string) error
	endEverybody  func(ctx context.Context) (int64, error)
}

func newBroken(breaks func(*broken)) *broken {
	m := sessiontest.NewMemory()
	b := &broken{
		Memory: m,
		load:   m.Load, save: m.Save, renew: m.Renew, delete: m.Delete,
		touch: m.Touch, deleteSame: m.DeleteUnchanged, deleteExpired: m.DeleteExpired,
		endAll: m.EndSessions, endOthers: m.EndOtherSessions, list: m.Sessions, endOne: m.EndSession,
		endEverybody: m.EndAllSessions,
	}
	breaks(b)
	return b
}

func (b *broken) Load(ctx context.Context, token string) (*session.Record, error) {
	return b.load(ctx, token)
}

func (b *broken) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return b.save(ctx, token, rec)
}

func (b *broken) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return b.renew(ctx, token, rec)
}

func (b *broken) Delete(ctx context.Context, token string) error { return b.delete(ctx, token) }

func (b *broken) Touch(ctx context.Context, token string, rec *session.Record) error {
	return b.touch(ctx, token, rec)
}

func (b *broken) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	return b.deleteSame(ctx, token, rec)
}

func (b *broken) DeleteExpired(ctx context.Context) (int64, error) { return b.deleteExpired(ctx) }

func (b *broken) EndSessions(ctx context.Context, owner string) (int64, error) {
	return b.endAll(ctx, owner)
}

func (b *broken) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	return b.endOthers(ctx, owner, token)
}

func (b *broken) Sessions(ctx context.Context, owner, token, after string, limit int) (
	[]session.SessionInfo, string, error) {
	return b.list(ctx, owner, token, after, limit)
}

func (b *broken) EndSession(ctx context.Context, owner, id string) error {
	return b.endOne(ctx, owner, id)
}

func (b *broken) EndAllSessions(ctx context.Context) (int64, error) { return b.endEverybody(ctx) }

// noteTokens notes the tokens that the store gives out, and returns a function
// that tells those of some owners, or of everybody if it is given none.
func (b *broken) noteTokens() func(owners ...string) []string {
	tokens := make(map[string][]string)
	note := func(write writeFunc) writeFunc {
		return func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := write(ctx, token, rec)
			b.mu.Lock()
			defer b.mu.Unlock()
			tokens[rec.Owner] = append(tokens[rec.Owner], newToken)
			return newToken, err
		}
	}
	b.save, b.renew = note(b.save), note(b.renew)
	return func(owners ...string) (noted []string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for owner, theirs := range tokens {
			if len(owners) == 0 || slices.Contains(owners, owner) {
				noted = append(noted, theirs...)
			}
		}
		return noted
	}
}

// instead calls f for what Save and Renew are given, and gives the caller's
// record the version of the one that f returns.
func instead(write writeFunc, f func(session.Record) session.Record) writeFunc {
	return func(ctx context.Context, token string, rec *session.Record) (string, error) {
		other := f(*rec)
		newToken, err := write(ctx, token, &other)
		if err == nil {
			rec.Version = other.Version
		}
		return newToken, err
	}
}

// pause lets other goroutines in between two steps that should be one, those that
// sleep for a moment on a busy machine too.
func pause() { time.Sleep(4 * time.Millisecond) }

// force saves over whatever is there.
func (b *broken) force(ctx context.Context, token string, rec *session.Record) (string, error) {
	for {
		current, err := b.Memory.Load(ctx, token)
		if err != nil {
			return "", session.ErrGone
		}
		rec.Version = current.Version
		newToken, err := b.Memory.Save(ctx, token, rec)
		if !errors.Is(err, session.ErrConflict) {
			return newToken, err
		}
	}
}

// loadedFirst returns a Load that gives the record again that it gave first for a
// token and version.
func (b *broken) loadedFirst() loadFunc {
	first := make(map[string]*session.Record)
	return func(ctx context.Context, token string) (*session.Record, error) {
		rec, err := b.Memory.Load(ctx, token)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		key := token + rec.Version
		if first[key] == nil {
			first[key] = rec
		}
		return first[key], nil
	}
}

// revive makes Load find rec under a token that is dead.
func (b *broken) revive(token string, rec session.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rec.Data = bytes.Clone(rec.Data)
	load := b.load
	b.load = func(ctx context.Context, t string) (*session.Record, error) {
		if t == token {
			return &session.Record{Data: bytes.Clone(rec.Data), Expires: rec.Expires}, nil
		}
		return load(ctx, t)
	}
}

const (
	caseFeatures    = "the optional interfaces are those that are declared"
	caseCookieName  = "a store bound to a cookie name is a store of its own"
	caseClosed      = "after Close there are errors and no logouts"
	caseUnknown     = "a token that was never issued stands for nothing"
	caseTampered    = "a token that was tampered with stands for nothing"
	caseOwnToken    = "each session has a token of its own"
	caseTokenForm   = "a token is long enough and fit for a cookie"
	caseAdopted     = "a token that the client chose is never adopted"
	caseRoundTrip   = "what was saved is loaded"
	caseUpdate      = "Save updates the session"
	caseAgain       = "a record can be saved again and again"
	caseNoChange    = "a Save that changes nothing succeeds"
	caseStale       = "saving a stale record is a conflict"
	caseNoVersion   = "a record without its own version is a conflict"
	caseSaveAlias   = "a store keeps no reference to what it was given"
	caseLoadAlias   = "a loaded record belongs to the caller"
	caseLoadKept    = "loaded data stays as it is"
	caseRenew       = "Renew moves the session to a fresh token"
	caseRenewEmpty  = "Renew with an empty token creates"
	caseRenewedUsed = "a renewed token cannot be used again"
	caseDeleted     = "a deleted session is dead"
	caseResurrected = "a deleted session is not resurrected"
	caseDeleteTwice = "deleting what is not there is no error"
	caseSame        = "DeleteUnchanged deletes what nobody has changed"
	caseSameChanged = "DeleteUnchanged leaves what somebody has changed"
	caseSameRace    = "of one who saves and one who deletes what is unchanged one wins"
	caseExpiry      = "a session is loaded until it expires, and not a moment longer"
	caseFraction    = "a fraction of a second is dropped and never rounded up"
	casePast        = "a session that has expired when it is saved is never loaded"
	caseMoves       = "Save and Renew move the expiry"
	caseOverWriters = "an expired session has ended for writers too"
	caseUnrevocable = "what cannot be revoked ends when it expires"
	caseTouch       = "Touch moves the expiry and nothing else"
	caseTouchAgain  = "a session can be touched again and again"
	caseUnsupported = "what cannot be done for a session leaves it as it is"
	caseTouchOther  = "Touch by another request loses nothing"
	caseCleanup     = "DeleteExpired deletes what is expired and nothing else"
	caseCleanupStop = "DeleteExpired stops when its context ends"
	caseCleanupTwo  = "two DeleteExpired at once share the work"
	caseContext     = "a context that is done ends the call without an effect"
	caseLarge       = "a record of 1 MiB is stored or refused with its size"
	caseLimit       = "the limit is a sharp one"
	caseFifty       = "fifty writers of one session lose no update"
	caseRenewRace   = "of many who renew one token one wins"
	caseRenewSave   = "of one who renews and one who saves one wins"
	caseLogoutRace  = "a save that races with a logout does not undo it"
	caseTouchRace   = "a touch that races with a save loses no data"
	caseMany        = "many sessions are used at once"
	caseEverybody   = "EndAllSessions ends the sessions of everybody"
	caseAllHeld     = "a session that is renewed all the time does not escape EndAllSessions"
	caseEndAll      = "EndSessions ends the sessions of the owner and of nobody else"
	caseEndOthers   = "EndOtherSessions keeps one session under a fresh token"
	caseEndHeld     = "whoever changes and renews a session does not keep it from being ended"
	caseEndCopy     = "a copy that is renewed beside EndOtherSessions does not live on"
	caseEndByOthers = "whoever ends the other sessions all the time does not keep its own from being ended"
	caseList        = "Sessions lists the living sessions of the owner in pages"
	caseCurrent     = "Sessions marks the session of a token"
	caseEndHeldOne  = "whoever changes and renews a session does not keep it from being ended alone"
	caseAsserted    = "what a request set holds after a conflict"
	caseTaken       = "of two requests that take a value one is saved"
	caseChange      = "of twenty requests that Change a value all count"
	casePeers       = "processes that share a database or keys share their sessions"
)

var mutants = []mutant{
	{"EndAllSessions leaves those of nobody", func(b *broken) {
		owners := make(map[string]bool)
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			b.mu.Lock()
			owners[rec.Owner] = true
			b.mu.Unlock()
			return b.Memory.Save(ctx, token, rec)
		}
		b.endEverybody = func(ctx context.Context) (int64, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for owner := range owners {
				b.Memory.EndSessions(ctx, owner) // an error if it is empty
			}
			return -1, nil
		}
	}, []string{caseEverybody}, false},
	{"EndAllSessions ends what it has found before", func(b *broken) {
		tokens := b.noteTokens()
		b.endEverybody = func(ctx context.Context) (int64, error) {
			found := tokens()
			pause()
			for _, token := range found {
				b.Memory.Delete(ctx, token)
			}
			return -1, nil
		}
	}, []string{caseAllHeld}, false},
	{"an owner without a name has no sessions", func(b *broken) {
		b.endAll = func(ctx context.Context, owner string) (int64, error) {
			if owner == "" {
				return 0, nil
			}
			return b.Memory.EndSessions(ctx, owner)
		}
	}, []string{caseEndAll}, false},
	{"EndSessions ends those of a similar name", func(b *broken) {
		b.endAll = func(ctx context.Context, owner string) (int64, error) {
			b.Memory.EndSessions(ctx, owner+" ")
			return b.Memory.EndSessions(ctx, owner)
		}
	}, []string{caseEndAll}, false},
	{"EndSessions ends those of the former owner", func(b *broken) {
		tokens := b.noteTokens()
		b.endAll = func(ctx context.Context, owner string) (int64, error) {
			n, err := b.Memory.EndSessions(ctx, owner)
			for _, token := range tokens(owner) {
				b.Memory.Delete(ctx, token)
			}
			return n, err
		}
	}, []string{caseEndAll}, false},
	{"EndSessions ends what it has found before", func(b *broken) {
		tokens := b.noteTokens()
		b.endAll = func(ctx context.Context, owner string) (int64, error) {
			found := tokens(owner)
			pause()
			for _, token := range found {
				b.Memory.Delete(ctx, token)
			}
			return int64(len(found)), nil
		}
	}, []string{caseEndHeld}, false},
	{"EndOtherSessions leaves the token as it was", func(b *broken) {
		tokens := b.noteTokens()
		b.endOthers = func(ctx context.Context, owner, token string) (string, error) {
			if owner == "" {
				return "", session.ErrNoOwner
			}
			for _, other := range tokens(owner) {
				if other != token {
					b.Memory.Delete(ctx, other)
				}
			}
			return token, nil
		}
	}, []string{caseEndOthers}, false},
	{"EndOtherSessions leaves the others when its own is gone", func(b *broken) {
		b.endOthers = func(ctx context.Context, owner, token string) (string, error) {
			if _, err := b.Memory.Load(ctx, token); err != nil {
				return "", session.ErrGone
			}
			return b.Memory.EndOtherSessions(ctx, owner, token)
		}
	}, []string{caseEndOthers, caseEndCopy}, false},
	{"EndOtherSessions renews in a second step", func(b *broken) {
		tokens := b.noteTokens()
		b.endOthers = func(ctx context.Context, owner, token string) (string, error) {
			for _, other := range tokens(owner) {
				if other != token {
					b.Memory.Delete(ctx, other)
				}
			}
			pause()
			rec, err := b.Memory.Load(ctx, token)
			if err != nil {
				return "", session.ErrGone
			}
			rec.Owner = owner
			return b.Memory.Renew(ctx, token, rec)
		}
	}, []string{caseEndCopy}, false},
	{"EndOtherSessions has its session begin anew", func(b *broken) {
		b.endOthers = func(ctx context.Context, owner, token string) (string, error) {
			rec, err := b.Memory.Load(ctx, token)
			pause()
			if _, err := b.Memory.EndSessions(ctx, owner); err != nil {
				return "", err
			}
			if err != nil {
				return "", session.ErrGone
			}
			b.Memory.Delete(ctx, token)
			rec.Owner, _ = session.OwnerOf(rec.Data)
			return b.Memory.Save(ctx, "", rec)
		}
	}, []string{caseEndByOthers}, false},
	{"the list has one page", func(b *broken) {
		b.list = func(ctx context.Context, owner, token, after string, limit int) ([]session.SessionInfo, string, error) {
			page, _, err := b.Memory.Sessions(ctx, owner, token, after, limit)
			return page, "", err
		}
	}, []string{caseList}, false},
	{"the list shows what has changed hands", func(b *broken) {
		b.list = func(ctx context.Context, owner, token, after string, limit int) ([]session.SessionInfo, string, error) {
			page, next, err := b.Memory.Sessions(ctx, owner, token, after, limit)
			if strings.HasSuffix(owner, "bob") {
				return page, next, err
			}
			bobs, _, _ := b.Memory.Sessions(ctx, strings.TrimSuffix(owner, "ann")+"bob", "", "", 0)
			return append(bobs[:min(1, len(bobs))], page...)[:min(limit, len(page)+min(1, len(bobs)))], next, err
		}
	}, []string{caseList}, false},
	{"no session in the list is the current one", func(b *broken) {
		b.list = func(ctx context.Context, owner, token, after string, limit int) ([]session.SessionInfo, string, error) {
			return b.Memory.Sessions(ctx, owner, "", after, limit)
		}
	}, []string{caseCurrent}, false},
	{"the first session in the list is the current one", func(b *broken) {
		b.list = func(ctx context.Context, owner, token, after string, limit int) ([]session.SessionInfo, string, error) {
			page, next, err := b.Memory.Sessions(ctx, owner, token, after, limit)
			for i := range page {
				page[i].Current = i == 0 && after == ""
			}
			return page, next, err
		}
	}, []string{caseCurrent}, false},
	{"a session cannot be ended alone", func(b *broken) {
		b.endOne = func(context.Context, string, string) error { return nil }
	}, []string{caseList, caseEndHeldOne}, false},
	{"an unknown token is a system failure", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if errors.Is(err, session.ErrNotFound) {
				err = errors.New("no rows")
			}
			return rec, err
		}
	}, []string{caseUnknown, caseTampered, caseDeleted}, true},
	{"a malformed token is a system failure", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			if !utf8.ValidString(token) || strings.Contains(token, "\x00") {
				return nil, errors.New("invalid byte sequence")
			}
			return b.Memory.Load(ctx, token)
		}
	}, []string{caseUnknown, caseTampered}, false},
	{"Load gives a record with its error", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err != nil {
				rec = &session.Record{}
			}
			return rec, err
		}
	}, []string{caseUnknown}, true},
	{"Load gives nothing at all", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, _ := b.Memory.Load(ctx, token)
			return rec, nil
		}
	}, []string{caseUnknown}, true},
	{"errors tell the token", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err != nil {
				err = fmt.Errorf("%w: %.12q", err, token)
			}
			return rec, err
		}
	}, []string{caseDeleted}, true},
	{"errors tell the data", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if err != nil {
				err = fmt.Errorf("saving %s: %w", rec.Data, err)
			}
			return newToken, err
		}
	}, []string{caseStale}, true},
	{"Save gives a token with its error", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			_, err := b.Memory.Save(ctx, token, rec)
			return token, err
		}
	}, []string{caseStale}, true},
	{"tokens are case-insensitive", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			return b.Memory.Load(ctx, strings.ToUpper(token))
		}
	}, []string{caseTampered}, false},
	{"blanks at the end of a token are ignored", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			return b.Memory.Load(ctx, strings.TrimRight(token, " "))
		}
	}, []string{caseTampered}, false},
	{"only the first characters of a token count", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			return b.Memory.Load(ctx, token[:min(26, len(token))])
		}
	}, []string{caseTampered}, false},
	{"Delete takes a token in any letter case", func(b *broken) {
		b.delete = func(ctx context.Context, token string) error {
			return b.Memory.Delete(ctx, strings.ToUpper(token))
		}
	}, []string{caseDeleteTwice}, false},
	{"equal sessions share a token", func(b *broken) {
		tokens := make(map[string]string)
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				return b.Memory.Save(ctx, token, rec)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if known, ok := tokens[string(rec.Data)]; ok {
				return known, nil
			}
			token, err := b.Memory.Save(ctx, "", rec)
			tokens[string(rec.Data)] = token
			return token, err
		}
	}, []string{caseOwnToken}, false},
	{"tokens are short", renamed(func(token string) string { return token[:16] }), []string{caseTokenForm}, false},
	{"tokens have blanks", renamed(func(token string) string { return token[:13] + " " + token[13:] }),
		[]string{caseTokenForm}, false},
	{"an unknown token is adopted", func(b *broken) {
		issued := make(map[string]bool)
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			b.mu.Lock()
			ours := token == "" || issued[token]
			b.mu.Unlock()
			if !ours {
				b.revive(token, *rec)
				return token, nil
			}
			token, err := b.Memory.Save(ctx, token, rec)
			b.mu.Lock()
			issued[token] = true
			b.mu.Unlock()
			return token, err
		}
	}, []string{caseAdopted}, true},
	{"the data is parsed and written again", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			var v any
			if err := json.Unmarshal(rec.Data, &v); err == nil {
				rec.Data, _ = json.Marshal(v)
			}
			return rec
		})
	}, []string{caseRoundTrip}, false},
	{"characters beyond ASCII are lost", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			rec.Data = bytes.ReplaceAll(rec.Data, []byte("đ"), []byte("?"))
			rec.Data = bytes.ReplaceAll(rec.Data, []byte("ễ"), []byte("?"))
			return rec
		})
	}, []string{caseRoundTrip}, true},
	{"times are local", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err == nil {
				rec.Expires = rec.Expires.In(time.FixedZone("UTC+7", 7*3600))
			}
			return rec, err
		}
	}, []string{caseRoundTrip}, true},
	{"sessions live for a month at most", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			if month := time.Now().Add(30 * 24 * time.Hour); rec.Expires.After(month) {
				rec.Expires = month
			}
			return rec
		})
	}, []string{caseRoundTrip}, false},
	{"Save changes the record's expiry", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			rec.Expires = rec.Expires.Add(time.Second)
			return b.Memory.Save(ctx, token, rec)
		}
	}, []string{caseRoundTrip}, true},
	{"Save of a known session does nothing", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				return token, nil
			}
			return b.Memory.Save(ctx, token, rec)
		}
	}, []string{caseUpdate, caseAgain}, true},
	{"Save changes the token", func(b *broken) { b.save = b.Memory.Renew }, []string{caseUpdate}, true},
	{"Save leaves the version as it was", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			stored := *rec
			return b.Memory.Save(ctx, token, &stored)
		}
	}, []string{caseAgain}, true},
	{"a row that did not change counts as gone", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if now, err := b.Memory.Load(ctx, token); err == nil && bytes.Equal(now.Data, rec.Data) &&
				now.Expires.Equal(rec.Expires) {
				return "", session.ErrGone
			}
			return b.Memory.Save(ctx, token, rec)
		}
	}, []string{caseNoChange}, false},
	{"versions are ignored", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token == "" {
				return b.Memory.Save(ctx, token, rec)
			}
			return b.force(ctx, token, rec)
		}
	}, []string{caseStale, caseNoVersion}, true},
	{"no version matches every one", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token != "" && rec.Version == "" {
				return b.force(ctx, token, rec)
			}
			return b.Memory.Save(ctx, token, rec)
		}
	}, []string{caseNoVersion}, false},
	{"a conflict is reported and the stale state saved", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrConflict) {
				other := *rec
				b.force(ctx, token, &other)
			}
			return newToken, err
		}
	}, []string{caseStale}, true},
	{"the last save wins", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrConflict) {
				return b.force(ctx, token, rec)
			}
			return newToken, err
		}
	}, []string{caseAsserted, caseTaken, caseChange}, true},
	{"what is loaded after a conflict is what was loaded first", func(b *broken) {
		first := make(map[string][]byte)
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err != nil {
				return nil, err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if _, ok := first[token]; !ok {
				first[token] = rec.Data
			}
			rec.Data = bytes.Clone(first[token])
			return rec, nil
		}
	}, []string{caseAsserted, caseTaken, caseChange}, false},
	{"a conflict is taken for a logout", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrConflict) {
				err = session.ErrGone
			}
			return newToken, err
		}
	}, []string{caseStale}, true},
	{"the data given to Save is kept", func(b *broken) {
		kept := make(map[string][]byte)
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if err == nil {
				b.mu.Lock()
				kept[newToken] = rec.Data
				b.mu.Unlock()
			}
			return newToken, err
		}
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			b.mu.Lock()
			defer b.mu.Unlock()
			if data, ok := kept[token]; ok && err == nil {
				rec.Data = bytes.Clone(data)
			}
			return rec, err
		}
	}, []string{caseSaveAlias}, false},
	{"loaded records share room behind their data", func(b *broken) {
		first := b.loadedFirst()
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := first(ctx, token)
			if err != nil {
				return nil, err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			rec.Data = slices.Grow(rec.Data, 10) // once
			own := *rec
			return &own, nil
		}
	}, []string{caseLoadAlias}, false},
	{"loaded records are one", func(b *broken) { b.load = b.loadedFirst() }, []string{caseLoadAlias}, false},
	{"loaded data is in a buffer that is used again", func(b *broken) {
		var buffer []byte
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err != nil {
				return nil, err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			buffer = append(buffer[:0], rec.Data...)
			rec.Data = buffer[:len(buffer):len(buffer)]
			return rec, nil
		}
	}, []string{caseLoadKept}, false},
	{"Renew leaves the old token alive", func(b *broken) {
		b.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				if _, err := b.Memory.Save(ctx, token, rec); err != nil {
					return "", err
				}
			}
			return b.Memory.Save(ctx, "", rec)
		}
	}, []string{caseRenew, caseRenewedUsed}, true},
	{"Renew keeps the token", func(b *broken) { b.renew = b.Memory.Save }, []string{caseRenew}, true},
	{"Renew drops the changes", func(b *broken) {
		b.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if old, err := b.Memory.Load(ctx, token); err == nil {
				return instead(b.Memory.Renew, func(rec session.Record) session.Record {
					rec.Data = old.Data
					return rec
				})(ctx, token, rec)
			}
			return b.Memory.Renew(ctx, token, rec)
		}
	}, []string{caseRenew}, true},
	{"Renew needs a token", func(b *broken) {
		b.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token == "" {
				return "", session.ErrGone
			}
			return b.Memory.Renew(ctx, token, rec)
		}
	}, []string{caseRenewEmpty}, false},
	{"a renewed token leads to its successor", func(b *broken) {
		next := make(map[string]string)
		b.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Renew(ctx, token, rec)
			b.mu.Lock()
			defer b.mu.Unlock()
			next[token] = newToken
			return newToken, err
		}
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			b.mu.Lock()
			newToken, ok := next[token]
			b.mu.Unlock()
			if ok && token != "" {
				return b.force(ctx, newToken, rec)
			}
			return b.Memory.Save(ctx, token, rec)
		}
	}, []string{caseRenewedUsed}, true},
	{"Renew takes two steps", func(b *broken) {
		b.renew = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token != "" {
				if now, err := b.Memory.Load(ctx, token); err != nil {
					return "", session.ErrGone
				} else if now.Version != rec.Version {
					return "", session.ErrConflict
				}
				pause()
			}
			newToken, err := b.Memory.Save(ctx, "", rec)
			if err == nil {
				err = b.Memory.Delete(ctx, token)
			}
			return newToken, err
		}
	}, []string{caseRenewRace, caseRenewSave}, false},
	{"Delete does nothing", func(b *broken) {
		b.delete = func(context.Context, string) error { return nil }
	}, []string{caseDeleted, caseResurrected}, true},
	{"Delete of a missing session is an error", func(b *broken) {
		b.delete = func(ctx context.Context, token string) error {
			if _, err := b.Memory.Load(ctx, token); err != nil {
				return err
			}
			return b.Memory.Delete(ctx, token)
		}
	}, []string{caseDeleteTwice}, true},
	{"Save brings a deleted session back", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				b.revive(token, *rec)
				return token, nil
			}
			return newToken, err
		}
	}, []string{caseResurrected, caseAdopted}, true},
	{"Touch brings a deleted session back", func(b *broken) {
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			err := b.Memory.Touch(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				b.revive(token, *rec)
				return nil
			}
			return err
		}
	}, []string{caseResurrected, caseRenewedUsed}, true},
	{"Save of a deleted session is quietly dropped", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				return token, nil
			}
			return newToken, err
		}
	}, []string{caseResurrected}, true},
	{"Save of a deleted session makes a new one", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				return b.Memory.Save(ctx, "", rec)
			}
			return newToken, err
		}
	}, []string{caseResurrected, caseAdopted}, true},
	{"a logout in the middle of a Save is undone", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if token != "" && err == nil {
				pause()
				if _, err := b.Memory.Load(ctx, newToken); errors.Is(err, session.ErrNotFound) {
					return b.Memory.Save(ctx, "", rec)
				}
			}
			return newToken, err
		}
	}, []string{caseLogoutRace}, false},
	{"DeleteUnchanged deletes what was changed", func(b *broken) {
		b.deleteSame = func(ctx context.Context, token string, rec *session.Record) error {
			now, err := b.Memory.Load(ctx, token)
			if err != nil {
				return session.ErrGone
			}
			return b.Memory.DeleteUnchanged(ctx, token, now)
		}
	}, []string{caseSameChanged}, true},
	{"DeleteUnchanged of what is deleted succeeds", func(b *broken) {
		b.deleteSame = func(ctx context.Context, token string, rec *session.Record) error {
			err := b.Memory.DeleteUnchanged(ctx, token, rec)
			if errors.Is(err, session.ErrGone) {
				return nil
			}
			return err
		}
	}, []string{caseSame, caseOverWriters}, true},
	{"DeleteUnchanged takes two steps", func(b *broken) {
		b.deleteSame = func(ctx context.Context, token string, rec *session.Record) error {
			if now, err := b.Memory.Load(ctx, token); err != nil {
				return session.ErrGone
			} else if now.Version != rec.Version {
				return session.ErrConflict
			}
			pause()
			return b.Memory.Delete(ctx, token)
		}
	}, []string{caseSameRace}, false},
	{"sessions are loaded at the moment they expire", func(b *broken) {
		const more = time.Nanosecond
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			rec.Expires = rec.Expires.Add(time.Second)
			return rec
		})
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err == nil {
				rec.Expires = rec.Expires.Add(-time.Second)
				if !time.Now().Before(rec.Expires.Add(more)) {
					return nil, session.ErrExpired
				}
			}
			return rec, err
		}
	}, []string{caseExpiry}, true},
	{"sessions end a second early", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if err == nil && !time.Now().Before(rec.Expires.Add(-time.Second)) {
				return nil, session.ErrExpired
			}
			return rec, err
		}
	}, []string{caseExpiry}, true},
	{"fractions of a second are rounded up", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			rec.Expires = rec.Expires.Add(time.Second - 1)
			return rec
		})
	}, []string{caseFraction}, false},
	{"fractions of a second are rounded", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			rec.Expires = rec.Expires.Round(time.Second)
			return rec
		})
	}, []string{caseFraction}, false},
	{"an expiry in the past is taken for none", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			if !rec.Expires.After(time.Now()) {
				rec.Expires = time.Now().Add(time.Hour)
			}
			return rec
		})
	}, []string{casePast}, false},
	{"the first expiry counts", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			now, err := b.Memory.Load(ctx, token)
			if err != nil {
				return b.Memory.Save(ctx, token, rec)
			}
			return instead(b.Memory.Save, func(rec session.Record) session.Record {
				rec.Expires = now.Expires
				return rec
			})(ctx, token, rec)
		}
	}, []string{caseMoves, caseUpdate}, true},
	{"expired sessions can be saved until they are cleaned up", func(b *broken) {
		ends := make(map[string]time.Time)
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			b.mu.Lock()
			end, ok := ends[token]
			if err == nil {
				ends[newToken] = rec.Expires
			}
			b.mu.Unlock()
			if errors.Is(err, session.ErrGone) && ok && !time.Now().Before(end) {
				b.revive(token, *rec)
				return token, nil
			}
			return newToken, err
		}
	}, []string{caseOverWriters}, true},
	{"Touch writes the data", func(b *broken) {
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			_, err := b.Memory.Save(ctx, token, rec)
			return err
		}
	}, []string{caseTouch}, false},
	{"Touch does nothing", func(b *broken) {
		b.touch = func(context.Context, string, *session.Record) error { return nil }
	}, []string{caseTouch, caseStale}, true},
	{"Touch only makes a session longer", func(b *broken) {
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			if now, err := b.Memory.Load(ctx, token); err == nil && now.Expires.After(rec.Expires) {
				return nil
			}
			return b.Memory.Touch(ctx, token, rec)
		}
	}, []string{caseTouch}, true},
	{"Touch makes the record stale", func(b *broken) {
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			if err := b.Memory.Touch(ctx, token, rec); err != nil {
				return err
			}
			now, err := b.Memory.Load(ctx, token)
			if err == nil {
				_, err = b.Memory.Save(ctx, token, now)
			}
			return err
		}
	}, []string{caseTouchAgain, caseNoChange}, true},
	{"Touch by another request ends the session", func(b *broken) {
		touched := make(map[string]int)
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			b.mu.Lock()
			touched[token]++
			n := touched[token]
			b.mu.Unlock()
			if n > 1 {
				return session.ErrGone
			}
			return b.Memory.Touch(ctx, token, rec)
		}
	}, []string{caseTouchOther, caseTouchAgain}, true},
	{"Touch writes back what it has read", func(b *broken) {
		b.touch = func(ctx context.Context, token string, rec *session.Record) error {
			now, err := b.Memory.Load(ctx, token)
			if err != nil {
				return session.ErrGone
			}
			if now.Version != rec.Version {
				return session.ErrConflict
			}
			pause()
			now.Expires = rec.Expires
			_, err = b.force(ctx, token, now)
			rec.Version = now.Version
			return err
		}
	}, []string{caseTouchRace}, false},
	{"DeleteExpired leaves one", func(b *broken) {
		b.deleteExpired = func(ctx context.Context) (int64, error) {
			n, err := b.Memory.DeleteExpired(ctx)
			return max(0, n-1), err
		}
	}, []string{caseCleanup, caseCleanupTwo, caseCleanupStop}, true},
	{"DeleteExpired deletes live sessions", func(b *broken) {
		var tokens []string
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			b.mu.Lock()
			defer b.mu.Unlock()
			tokens = append(tokens, newToken)
			return newToken, err
		}
		b.deleteExpired = func(ctx context.Context) (int64, error) {
			n, err := b.Memory.DeleteExpired(ctx)
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, token := range tokens {
				if _, err := b.Memory.Load(ctx, token); err == nil {
					return n, b.Memory.Delete(ctx, token)
				}
			}
			return n, err
		}
	}, []string{caseCleanup}, true},
	{"DeleteExpired ignores its context", func(b *broken) {
		b.deleteExpired = func(ctx context.Context) (int64, error) {
			return b.Memory.DeleteExpired(context.WithoutCancel(ctx))
		}
	}, []string{caseCleanupStop}, false},
	{"DeleteExpired that is stopped forgets what it did", func(b *broken) {
		b.deleteExpired = func(ctx context.Context) (int64, error) {
			n, err := b.Memory.DeleteExpired(context.WithoutCancel(ctx))
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return n, err
		}
	}, []string{caseCleanupStop}, false},
	{"only one DeleteExpired may run", func(b *broken) {
		b.deleteExpired = func(ctx context.Context) (int64, error) {
			if !b.mu.TryLock() {
				return 0, errors.New("busy")
			}
			defer b.mu.Unlock()
			pause()
			return b.Memory.DeleteExpired(ctx)
		}
	}, []string{caseCleanupTwo}, false},
	{"contexts are ignored", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			return b.Memory.Save(context.WithoutCancel(ctx), token, rec)
		}
	}, []string{caseContext}, true},
	{"a cancelled Save is done all the same", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			stored := *rec
			newToken, err := b.Memory.Save(context.WithoutCancel(ctx), token, &stored)
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if err == nil {
				rec.Version = stored.Version
			}
			return newToken, err
		}
	}, []string{caseContext}, true},
	{"a cancelled Delete is done all the same", func(b *broken) {
		b.delete = func(ctx context.Context, token string) error {
			b.Memory.Delete(context.WithoutCancel(ctx), token)
			return ctx.Err()
		}
	}, []string{caseContext}, false},
	{"a cancelled Load logs the visitor out", func(b *broken) {
		b.load = func(ctx context.Context, token string) (*session.Record, error) {
			rec, err := b.Memory.Load(ctx, token)
			if ctx.Err() != nil {
				err = session.ErrNotFound
			}
			return rec, err
		}
	}, []string{caseContext}, false},
	{"long data is cut off", func(b *broken) {
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			rec.Data = rec.Data[:min(len(rec.Data), 1<<16-1)]
			return rec
		})
	}, []string{caseLarge}, false},
	{"updates get lost between two steps", func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			if token == "" {
				return b.Memory.Save(ctx, token, rec)
			}
			now, err := b.Memory.Load(ctx, token)
			if err != nil {
				return "", session.ErrGone
			}
			if now.Version != rec.Version {
				return "", session.ErrConflict
			}
			pause()
			return b.force(ctx, token, rec)
		}
	}, []string{caseFifty}, false},
	{"sessions that are saved at once are mixed up", func(b *broken) {
		var data []byte
		b.save = instead(b.Memory.Save, func(rec session.Record) session.Record {
			b.mu.Lock()
			data = rec.Data
			b.mu.Unlock()
			pause()
			b.mu.Lock()
			defer b.mu.Unlock()
			rec.Data = data
			return rec
		})
	}, []string{caseMany}, false},
}

// renamed breaks the form of new tokens.
func renamed(rename func(token string) string) func(b *broken) {
	return func(b *broken) {
		b.save = func(ctx context.Context, token string, rec *session.Record) (string, error) {
			newToken, err := b.Memory.Save(ctx, token, rec)
			if err != nil {
				return "", err
			}
			return rename(newToken), nil
		}
	}
}

// A lie is a store that is as it should be but for what is said of it, or a
// wrapper that breaks a rule which Memory has no part in.
type lie struct {
	name     string
	store    func(t *testing.T) session.SessionStore
	features sessiontest.Features
	caught   []string
}

func lies() []lie {
	memory := func(change func(f *sessiontest.Features)) sessiontest.Features {
		f := sessiontest.MemoryFeatures()
		change(&f)
		return f
	}
	cookie := func(change func(f *sessiontest.Features)) sessiontest.Features {
		f := statelessFeatures
		change(&f)
		return f
	}
	return []lie{
		{"Memory is not revocable", newMemory, memory(func(f *sessiontest.Features) { f.Revocable = false }),
			[]string{caseDeleted, caseResurrected, caseRenew, caseRenewedUsed, caseOverWriters, caseUnrevocable}},
		{"Memory detects no conflicts", newMemory, memory(func(f *sessiontest.Features) { f.DetectsConflicts = false }),
			[]string{caseStale, caseFifty, caseRenewSave}},
		{"Memory changes tokens", newMemory, memory(func(f *sessiontest.Features) { f.StableToken = false }),
			[]string{caseUpdate}},
		{"Memory is no Toucher", newMemory, memory(func(f *sessiontest.Features) { f.Toucher = false }),
			[]string{caseFeatures}},
		{"Memory is no UnchangedDeleter", newMemory,
			memory(func(f *sessiontest.Features) { f.UnchangedDeleter = false }), []string{caseFeatures}},
		{"Memory cannot end the sessions of an owner", newMemory,
			memory(func(f *sessiontest.Features) { f.OwnerEnder = false }), []string{caseFeatures}},
		{"Memory cannot list the sessions of an owner", newMemory,
			memory(func(f *sessiontest.Features) { f.OwnerLister = false }), []string{caseFeatures}},
		{"Memory is no ExpiredDeleter", newMemory, memory(func(f *sessiontest.Features) { f.ExpiredDeleter = false }),
			[]string{caseFeatures}},
		{"a wrapper hides what Memory can do", func(*testing.T) session.SessionStore {
			return struct{ session.SessionStore }{sessiontest.NewMemory()}
		}, memory(func(*sessiontest.Features) {}), []string{caseFeatures}},
		{"Memory is bound to a cookie", newMemory, memory(func(f *sessiontest.Features) { f.CookieBound = true }),
			[]string{caseFeatures}},
		{"Memory ignores contexts", newMemory, memory(func(f *sessiontest.Features) { f.IgnoresContext = true }),
			[]string{caseContext}},
		{"Memory has a limit", newMemory, memory(func(f *sessiontest.Features) { f.MaxBytes = 4096 }),
			[]string{caseLarge, caseLimit}},
		{"another process cannot see what Memory keeps", newMemory,
			memory(func(f *sessiontest.Features) {
				f.Peer = func(t *testing.T, _ session.SessionStore) session.SessionStore { return newMemory(t) }
			}), []string{casePeers}},
		{"another process shows what it loaded before", newMemory,
			memory(func(f *sessiontest.Features) {
				f.Peer = func(_ *testing.T, store session.SessionStore) session.SessionStore {
					return &caching{Memory: store.(*sessiontest.Memory), cache: make(map[string]session.Record)}
				}
			}), []string{casePeers}},
		{"a closed store says that nobody is logged in", func(*testing.T) session.SessionStore {
			return forgetful{newBroken(func(*broken) {})}
		}, memory(func(*sessiontest.Features) {}), []string{caseClosed}},

		{"a token can be revoked", newStateless, cookie(func(f *sessiontest.Features) { f.Revocable = true }),
			[]string{caseDeleted, caseResurrected, caseRenew, caseRenewedUsed, caseOverWriters, caseAdopted,
				caseLogoutRace, caseRenewRace, caseRenewSave}},
		{"a token knows of conflicts", newStateless,
			cookie(func(f *sessiontest.Features) { f.DetectsConflicts = true }),
			[]string{caseStale, caseNoVersion, caseRenewRace, caseRenewSave}},
		{"a token that is the session is stable", newStateless,
			cookie(func(f *sessiontest.Features) { f.StableToken = true }),
			[]string{caseUpdate}},
		{"a cookie holds everything", newStateless, cookie(func(f *sessiontest.Features) { f.MaxBytes = 0 }),
			[]string{caseLarge}},
		{"the limit is another one", newStateless, cookie(func(f *sessiontest.Features) { f.MaxBytes = 4093 }),
			[]string{caseLimit}},
		{"some sizes are refused", func(*testing.T) session.SessionStore {
			return picky{stateless{limit: 4096}}
		}, statelessFeatures, []string{caseLimit}},
		{"a Touch that cannot be done is left out without a word", func(*testing.T) session.SessionStore {
			return touching{stateless{limit: 4096}, nil}
		}, cookie(func(f *sessiontest.Features) { f.Toucher = true }), []string{caseUnsupported}},
		{"a Touch that cannot be done is a failure of the store", func(*testing.T) session.SessionStore {
			return touching{stateless{limit: 4096}, errors.New("cannot")}
		}, cookie(func(f *sessiontest.Features) { f.Toucher = true }), []string{caseUnsupported}},
		{"no I/O and no context asked", newStateless,
			cookie(func(f *sessiontest.Features) { f.IgnoresContext = false }), []string{caseContext}},
		{"a cookie's name does not matter", func(*testing.T) session.SessionStore {
			return named{stateless{limit: 4096}}
		}, cookie(func(f *sessiontest.Features) { f.CookieBound = true }), []string{caseCookieName}},
	}
}

// caching is a process that believes what it has seen once.
type caching struct {
	*sessiontest.Memory
	cache map[string]session.Record
}

func (s *caching) Load(ctx context.Context, token string) (*session.Record, error) {
	if rec, ok := s.cache[token]; ok {
		return &rec, nil
	}
	rec, err := s.Memory.Load(ctx, token)
	if err == nil {
		s.cache[token] = *rec
	}
	return rec, err
}

// forgetful finds nothing any more after Close.
type forgetful struct{ *broken }

var _ io.Closer = forgetful{}

func (s forgetful) Close() error {
	s.load = func(context.Context, string) (*session.Record, error) { return nil, session.ErrNotFound }
	return nil
}

// touching answers Touch and does nothing.
type touching struct {
	stateless
	answer error
}

func (s touching) Touch(context.Context, string, *session.Record) error { return s.answer }

// TestTouchMayBeUnsupported shows the other side of two of the lies.
func TestTouchMayBeUnsupported(t *testing.T) {
	f := statelessFeatures
	f.Toucher = true
	newStore := func(*testing.T) session.SessionStore {
		return touching{stateless{limit: 4096}, errors.ErrUnsupported}
	}
	if reports := sessiontest.CaseReports(t, caseUnsupported, newStore, f); len(reports) > 0 {
		t.Errorf("a store that declares what it cannot do fails: %s", reports)
	}
}

// picky refuses one size of seven.
type picky struct{ stateless }

func (s picky) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if len(rec.Data)%7 == 0 {
		return "", &session.TooLargeError{Size: s.limit + 1, Limit: s.limit}
	}
	return s.stateless.Save(ctx, token, rec)
}

// named does not care for the name that it is given.
type named struct{ stateless }

func (s named) ForCookie(string) (session.SessionStore, error) { return s.stateless, nil }

// TestSuiteCatchesMutants runs each mutant through the cases that are there for
// it.
func TestSuiteCatchesMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			newStore := func(*testing.T) session.SessionStore { return newBroken(m.breaks) }
			for _, name := range m.caught {
				if len(sessiontest.CaseReports(t, name, newStore, sessiontest.MemoryFeatures())) == 0 {
					t.Errorf("the case %q does not see it", name)
				}
			}
		})
	}
}

// TestSuiteCatchesLies runs each lie through the cases that are there for it.
func TestSuiteCatchesLies(t *testing.T) {
	for _, l := range lies() {
		t.Run(l.name, func(t *testing.T) {
			for _, name := range l.caught {
				if len(sessiontest.CaseReports(t, name, l.store, l.features)) == 0 {
					t.Errorf("the case %q does not see it", name)
				}
			}
		})
	}
}

// TestEveryCaseCanFail shows that there is a mutant or a lie for each case.
func TestEveryCaseCanFail(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range mutants {
		for _, name := range m.caught {
			seen[name] = true
		}
	}
	for _, l := range lies() {
		for _, name := range l.caught {
			seen[name] = true
		}
	}
	want := slices.Sorted(slices.Values(sessiontest.CaseNames()))
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("the mutants are for these cases:\n%s\nand the suite has these:\n%s", strings.Join(got, "\n"),
			strings.Join(want, "\n"))
	}
}

// TestRandomOperationsCatchMutants shows that random operations find what they
// can find without knowing where to look.
func TestRandomOperationsCatchMutants(t *testing.T) {
	for _, m := range mutants {
		if !m.random {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			subject := sessiontest.Subject{
				Name:     "mutant",
				New:      func(*testing.T) session.SessionStore { return newBroken(m.breaks) },
				Features: sessiontest.MemoryFeatures(),
			}
			reports := sessiontest.RandomReports(t, 1, 2000, memorySubject, subject)
			if len(reports) == 0 {
				t.Fatalf("2000 operations did not find it")
			}
			last := reports[len(reports)-1]
			for _, part := range []string{"mutant: ", "SESSIONTEST_SEED=1 go test -run " +
				"'^TestRandomOperationsCatchMutants$/", "sessionengine/session/sessiontest"} {
				if !strings.Contains(last, part) {
					t.Errorf("the report does not contain %q:\n%s", part, last)
				}
			}
		})
	}
}
