package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

// Options configures a [Store]. The zero value has the default of every field.
type Options struct {
	// Prefix is what all keys begin with, before a colon; empty is "se". It is
	// made of letters, digits and ".-_:".
	Prefix string

	// MaxBytes is the most that the data of a session may have, in bytes; 0 is
	// 1 MiB, and the largest value is 64 MiB. A save of more gives a
	// *session.TooLargeError. Values that hold more are read.
	MaxBytes int

	// Owners keeps an index of the sessions of each owner, for "log out
	// everywhere", and for a list of one's sessions; see [session.OwnerEnder] and
	// [session.OwnerLister]. All nodes need it, from the first login on. It costs a
	// round trip more for each save of a session that has an owner, and two for a
	// renewal. What is kept is deleted with the session; of a label 255 bytes are.
	Owners bool

	// WaitReplicas is how many replicas have to confirm each change before it counts
	// as done, with Redis's WAIT; 0 waits for none. If fewer confirm it within
	// WaitTimeout, 0 is a second, the operation gives an error, although the primary
	// has done it. It costs three round trips more for each change. A failover may
	// still lose what was confirmed, if a replica is chosen that was not asked: it
	// makes that rarer and excludes nothing
	// (https://redis.io/docs/latest/commands/wait/#consistency-and-wait).
	WaitReplicas int
	WaitTimeout  time.Duration

	// Logger is told what [Store.Check] finds; nil means [slog.Default] at the
	// time of New.
	Logger *slog.Logger
}

// Store keeps sessions in Redis or Valkey. It is safe for concurrent use, by any
// number of processes on any number of machines.
//
// A token is bound to the name of the cookie that it was issued for, and
// [session.NewManager] has the store bound to its cookie's name, through
// [Store.ForCookie]. A store that is bound to none issues and accepts the tokens of
// the cookie "sessionid".
type Store struct {
	*shared
	cookie string // the name of the cookie
}

// shared is what the stores for all cookies have in common.
type shared struct {
	client redis.UniversalClient
	owned  bool // the client is closed with the store
	opts   Options
	closed atomic.Bool
}

var (
	_ session.SessionStore     = (*Store)(nil)
	_ session.CookieNamer      = (*Store)(nil)
	_ session.Toucher          = (*Store)(nil)
	_ session.UnchangedDeleter = (*Store)(nil)
	_ session.OwnerEnder       = (*Store)(nil)
	_ session.OwnerLister      = (*Store)(nil)
	_ session.ChangeTeller     = (*Store)(nil)
	_ session.TraitsTeller     = (*Store)(nil)
)

// New returns a store on a client that the application has made, for a single
// server, Sentinel or a Cluster. It sends nothing yet, and the client stays the
// application's: Close does not close it. Reads have to go to primaries, as they do
// unless ReadOnly, RouteByLatency or RouteRandomly is set: on a replica that lags
// behind, a visitor is logged out again right after logging in. With
// ContextTimeoutEnabled an operation ends when its context does, otherwise when the
// client's own timeouts are over.
func New(client redis.UniversalClient, opts Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("redisstore: the client is nil")
	}
	if opts.Prefix == "" {
		opts.Prefix = "se"
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:"
	if strings.Trim(opts.Prefix, allowed) != "" || len(opts.Prefix) > 64 {
		return nil, errors.New("redisstore: Prefix has up to 64 characters, letters, digits and .-_: only")
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	if opts.MaxBytes < 0 || opts.MaxBytes > 64<<20 {
		return nil, fmt.Errorf("redisstore: MaxBytes is %d, and has to be between 1 and 64 MiB", opts.MaxBytes)
	}
	if opts.WaitTimeout == 0 {
		opts.WaitTimeout = time.Second
	}
	if opts.WaitReplicas < 0 || opts.WaitTimeout < time.Millisecond {
		return nil, errors.New("redisstore: WaitReplicas is not negative, and WaitTimeout a millisecond or more")
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Store{cookie: session.DefaultCookieName, shared: &shared{client: client, opts: opts}}, nil
}

// ForCookie implements [session.CookieNamer]. The store that it returns is on the
// same server and shares everything with s but the sessions: neither knows the
// other's tokens. Closing one closes all.
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	if name == "" {
		return nil, fmt.Errorf("redisstore: %w: the cookie has no name", session.ErrMisuse)
	}
	return &Store{s.shared, name}, nil
}

// Traits implements [session.TraitsTeller].
func (s *Store) Traits() session.Traits {
	return session.Traits{Ends: true, EndsOwners: s.opts.Owners, ListsOwners: s.opts.Owners}
}

// Close ends the use of the store: operations that come later give
// [session.ErrClosed]. It closes the client if [Open] made it, which ends the
// operations under way. Closing again does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) || !s.owned {
		return nil
	}
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redisstore: close: %w", err)
	}
	return nil
}

// Load implements [session.SessionStore] with one command, or none for a token that
// cannot exist. A value that is no session gives [session.ErrInvalidToken].
func (s *Store) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := s.begin(ctx, "load"); err != nil {
		return nil, err
	}
	key, ok := s.key(token)
	if !ok {
		return nil, session.ErrInvalidToken
	}
	value, err := s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, session.ErrNotFound
	}
	if err != nil {
		return nil, s.failure(ctx, "load", err)
	}
	m, data, ok := parseValue(value)
	switch {
	case !ok && len(value) <= len(ended):
		return nil, session.ErrNotFound
	case !ok:
		return nil, fmt.Errorf("redisstore: load: %w: the value is no session", session.ErrInvalidToken)
	case !time.Now().Before(m.expires):
		return nil, session.ErrExpired
	}
	return &session.Record{Data: data, Expires: m.expires, Version: m.recordVersion()}, nil
}

// ended is the value of a key whose session was ended, for as long as somebody may
// be about to write it.
const ended = "x"

// Save implements [session.SessionStore] with one command.
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, "save", token, rec)
}

// Renew implements [session.SessionStore] with one command. The new key is in the
// slot of the old one.
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, "renew", token, rec)
}

func (s *Store) save(ctx context.Context, op, token string, rec *session.Record) (string, error) {
	if err := s.begin(ctx, op); err != nil {
		return "", err
	}
	if len(rec.Data) > s.opts.MaxBytes {
		return "", &session.TooLargeError{Size: len(rec.Data), Limit: s.opts.MaxBytes}
	}
	var key string
	if token != "" {
		var ok bool
		if key, ok = s.key(token); !ok {
			return "", session.ErrInvalidToken
		}
	}
	for {
		newToken, version, err := s.write(ctx, op, token, key, rec)
		if err == errTaken && ctx.Err() == nil {
			continue // with another secret
		}
		if err != nil {
			return "", s.failure(ctx, op, err)
		}
		rec.Version = version
		return newToken, nil
	}
}

// write writes a session once, under key or, if a new one is due, a fresh one.
func (s *Store) write(ctx context.Context, op, token, key string, rec *session.Record) (newToken, version string,
	err error) {
	now := time.Now()
	was := parseVersion(rec.Version)
	m := meta{version: randomText(versionLen * 3 / 4), expires: rec.Expires}
	newKey := key
	switch {
	case token == "":
		newToken = randomToken()
	case op == "renew":
		newToken = renewedToken(token)
	default:
		newToken = token
	}
	if newToken != token {
		newKey, _ = s.key(newToken)
	}
	life := left(rec.Expires, now)
	if s.opts.Owners && rec.Owner != "" {
		m.owner, m.created, m.seen, m.label = ownerHash(rec.Owner), now, now, session.CleanLabel(rec.Label)
		generation := anyGeneration
		if was.owner == m.owner {
			generation, m.created = was.generation, was.created
		}
		if m.generation, err = s.note(ctx, m.owner, generation, s.member(m.created, newKey), life); err != nil {
			return "", "", err
		}
	}
	value := appendValue(make([]byte, 0, maxMeta+len(rec.Data)), m, rec.Data)
	switch {
	case token == "":
		err = s.create(ctx, newKey, value, life)
	case newKey != key:
		err = s.change(ctx, renewScript, none, []string{key, newKey}, was.version, timeText(now), value, life)
	default:
		err = s.change(ctx, saveScript, conflict, []string{key}, was.version, timeText(now), value, life)
	}
	switch {
	case err == nil && was.owner != "" && (newKey != key || was.owner != m.owner):
		s.forget(ctx, was.owner, s.member(was.created, key))
	case m.owner != "" && (err == session.ErrGone || newKey != key && (err == session.ErrConflict || err == errTaken)):
		s.forget(ctx, m.owner, s.member(m.created, newKey))
	}
	return newToken, m.recordVersion(), err
}

// create stores a new session. A key that is there holds what this call has stored
// itself, since its answer was lost, or else is somebody else's.
func (s *shared) create(ctx context.Context, key string, value []byte, life int64) error {
	there, _, err := s.do(ctx, 1, "set", key, value, "px", life, "nx", "get")
	if err == nil && there != string(value) {
		return errTaken
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Touch implements [session.Toucher] with one command.
func (s *Store) Touch(ctx context.Context, token string, rec *session.Record) error {
	if err := s.begin(ctx, "touch"); err != nil {
		return err
	}
	key, ok := s.key(token)
	if !ok {
		return session.ErrInvalidToken
	}
	now, was := time.Now(), parseVersion(rec.Version)
	life := left(rec.Expires, now)
	noted := s.opts.Owners && was.owner != ""
	if noted {
		if _, err := s.note(ctx, was.owner, was.generation, s.member(was.created, key), life); err != nil {
			return s.failure(ctx, "touch", err)
		}
	}
	err := s.change(ctx, touchScript, none, []string{key}, was.version, timeText(now), timeText(rec.Expires), life)
	if noted && err == session.ErrGone {
		s.forget(ctx, was.owner, s.member(was.created, key))
	}
	return s.failure(ctx, "touch", err)
}

// Delete implements [session.SessionStore] with one command.
func (s *Store) Delete(ctx context.Context, token string) error {
	if err := s.begin(ctx, "delete"); err != nil {
		return err
	}
	key, ok := s.key(token)
	if !ok {
		return nil
	}
	if !s.opts.Owners {
		_, _, err := s.do(ctx, 1, "del", key)
		return s.failure(ctx, "delete", err)
	}
	answer, _, err := s.run(ctx, deleteScript, []string{key})
	if text, ok := answer.(string); ok && err == nil && len(text) >= labelAt {
		// The value may be cut off behind what tells whose it is.
		if created, ok := parseTime([]byte(text[createdAt:seenAt])); ok && text[lengthAt:headerLen] != "000" {
			s.forget(ctx, text[ownerAt:generationAt], s.member(created, key))
		}
	}
	return s.failure(ctx, "delete", err)
}

// DeleteUnchanged implements [session.UnchangedDeleter] with one command.
func (s *Store) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if err := s.begin(ctx, "delete unchanged"); err != nil {
		return err
	}
	key, ok := s.key(token)
	if !ok {
		return session.ErrInvalidToken
	}
	was := parseVersion(rec.Version)
	err := s.change(ctx, deleteUnchangedScript, gone, []string{key}, was.version, timeText(time.Now()))
	if was.owner != "" && (err == nil || err == session.ErrGone) {
		s.forget(ctx, was.owner, s.member(was.created, key))
	}
	return s.failure(ctx, "delete unchanged", err)
}
