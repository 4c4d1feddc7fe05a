package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"sessionengine/session/internal/jsonobject"
)

// OwnerChange says what happens to a session that is saved with another owner than
// before, as at a login, and that the handler has not renewed. After the headers have
// gone out such a session is not saved, see [ErrHeadersSent]. Taking the owner away is
// no such change.
type OwnerChange int

const (
	// RenewOnOwnerChange renews it, as [Session.Renew] would.
	RenewOnOwnerChange OwnerChange = iota

	// RefuseOwnerChange ends the request in the error handler, with an error that
	// matches [ErrMisuse], so that a login without Renew is found by its first test.
	RefuseOwnerChange
)

// BeyondLimit says what happens when an owner has as many sessions as
// Options.SessionsPerOwner allows, and signs in once more.
type BeyondLimit int

const (
	// EndOldestSession ends the owner's oldest sessions.
	EndOldestSession BeyondLimit = iota

	// RefuseNewSession ends the request in the error handler, with
	// [ErrTooManySessions]. Of two logins at once both may be refused.
	RefuseNewSession
)

// ErrTooManySessions says that an owner has as many sessions as
// Options.SessionsPerOwner allows. [ErrorStatus] makes it 403.
var ErrTooManySessions = errors.New("session: the owner has as many sessions as are allowed")

var errNotRenewed = fmt.Errorf("%w: the session was given another owner and not renewed: call Renew at login",
	ErrMisuse)

// Authentication is when and how a visitor has shown who they are.
type Authentication struct {
	Time   time.Time // in UTC, in whole seconds
	Method string    // as given to [Session.SetAuthenticated]
}

// MaxMethodBytes is the most that the method of an [Authentication] may have.
const MaxMethodBytes = 64

var errMethod = fmt.Errorf("%w: SetAuthenticated takes a method of at most %d bytes", ErrMisuse, MaxMethodBytes)

// SetAuthenticated notes that the visitor has just shown who they are, and renews
// the session ([Session.Renew]). Call it when they sign in, and again when they do
// so for a step-up. The method is the application's name for how strong that was, such as
// those of RFC 8176, section 2: "pwd", "otp", "hwk", "mfa". One of more than
// [MaxMethodBytes] is an error that [Session.Err] reports.
//
// What was noted goes when the session is given another owner, unless the same
// request notes it anew. Like the owner it is no value: a session that has nothing
// else is empty, and not stored.
func (s *Session) SetAuthenticated(method string) {
	raw, err := jsonobject.Marshal([]any{time.Now().Unix(), method})
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if err == nil && len(method) > MaxMethodBytes {
		err = errMethod
	} else if err != nil {
		err = &ValueError{Key: authKey, Type: "string", Err: err}
	}
	s.set(authKey, raw, err)
	if err == nil {
		s.renewLocked()
	}
}

// Authenticated returns what [Session.SetAuthenticated] noted last, and false if it
// noted nothing, or what cannot be read.
func (s *Session) Authenticated() (Authentication, bool) {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	raw, ok := s.obj.get(authKey)
	if !ok {
		return Authentication{}, false
	}
	var parts []any
	if jsonobject.Unmarshal(raw, &parts) != nil || len(parts) != 2 {
		return Authentication{}, false
	}
	seconds, ok1 := parts[0].(float64)
	method, ok2 := parts[1].(string)
	if !ok1 || !ok2 || seconds < 0 || seconds > float64(time.Now().Add(maxAhead).Unix()) {
		return Authentication{}, false
	}
	return Authentication{time.Unix(int64(seconds), 0).UTC(), method}, true
}

// AuthenticatedWithin reports whether the visitor has shown who they are at most
// maxAge ago, in one of the given ways; without any, however they did.
func (s *Session) AuthenticatedWithin(maxAge time.Duration, methods ...string) bool {
	a, ok := s.Authenticated()
	return ok && time.Since(a.Time) <= maxAge && (len(methods) == 0 || slices.Contains(methods, a.Method))
}

// RequireRecent returns middleware, for inside of [Manager.Handler], that lets
// stepUp answer the requests of visitors who have not shown who they are at most
// maxAge ago, in one of the given ways: a redirect to a page that asks for the
// password, for example. Without methods, any will do.
//
//	mux.Handle("/delete-account", session.RequireRecent(5*time.Minute, askAgain)(deleteAccount))
func RequireRecent(maxAge time.Duration, stepUp http.Handler, methods ...string) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := Load(r)
			switch {
			case errors.Is(err, ErrNoMiddleware):
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			case err != nil: // the Manager answers
			case s.AuthenticatedWithin(maxAge, methods...):
				next.ServeHTTP(w, r)
			default:
				stepUp.ServeHTTP(w, r)
			}
		})
	}
}

// ownerChanged reports whether the session is to be saved with another owner than
// it was loaded with.
func (s *Session) ownerChanged() bool {
	if _, set := s.changes.keys.Get(ownerKey); !set && !s.changes.cleared {
		return false
	}
	before, _ := OwnerOf(s.loaded.Data)
	return before != s.text(ownerKey)
}

// seeToOwner is called before a session is saved that has another owner than it was
// loaded with.
func (s *Session) seeToOwner(ctx context.Context) error {
	owner := s.text(ownerKey)
	if s.stored && !s.renew && owner != "" {
		switch {
		case s.m.opts.OwnerChange == RefuseOwnerChange:
			return errNotRenewed
		case s.headerSent():
			return ErrHeadersSent
		}
		s.renew = true
	}
	if _, set := s.changes.keys.Get(authKey); !set && s.stored {
		s.obj.delete(authKey) // it was somebody else
	}
	if owner == "" || s.m.opts.SessionsPerOwner == 0 || s.m.opts.BeyondLimit != RefuseNewSession {
		return nil
	}
	page, _, err := Sessions(ctx, s.m.store, owner, s.token, "", s.m.opts.SessionsPerOwner+1)
	if err != nil {
		return err
	}
	page = slices.DeleteFunc(page, func(i SessionInfo) bool { return i.Current })
	if len(page) >= s.m.opts.SessionsPerOwner {
		return ErrTooManySessions
	}
	return nil
}

// limitSessions is called when a session has been saved with another owner than
// before. It looks again, since others may have signed in at the same moment.
func (s *Session) limitSessions(ctx context.Context) error {
	owner, limit := s.text(ownerKey), s.m.opts.SessionsPerOwner
	if owner == "" || limit == 0 {
		return nil
	}
	err := s.endBeyond(ctx, owner, limit)
	if err != nil && !errors.Is(err, ErrTooManySessions) {
		// The visitor is signed in. The next one of the owner sees to it.
		s.m.log.LogAttrs(ctx, slog.LevelError, "session: the limit of sessions could not be kept", slog.Any("err", err))
		return nil
	}
	return err
}

// endBeyond ends the owner's sessions beyond a limit, or this one.
func (s *Session) endBeyond(ctx context.Context, owner string, limit int) error {
	for after, seen := "", 1; ; { // this one counts, and is the newest
		page, next, err := Sessions(ctx, s.m.store, owner, s.token, after, 0)
		if err != nil {
			return err
		}
		for _, info := range page {
			if info.Current {
				continue
			}
			if seen++; seen <= limit {
				continue
			}
			if s.m.opts.BeyondLimit == RefuseNewSession {
				if err := s.m.store.Delete(ctx, s.token); err != nil {
					return err
				}
				s.forget()
				s.unsetCookie()
				return ErrTooManySessions
			}
			if err := EndSession(ctx, s.m.store, owner, info.ID); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}
