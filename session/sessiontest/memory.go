package sessiontest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// Memory is a store in the memory of the process: the model that other engines
// are held against. It can do all that a store can: it revokes, detects
// conflicts, touches, and deletes what is expired.
//
// It is for tests and for development in one process. Sessions are lost with
// the process, and nothing bounds their number: what is expired stays in memory
// until [Memory.DeleteExpired] is called.
//
// It is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	sessions map[string]memorySession // by token
	version  uint64                   // of the last change
}

type memorySession struct {
	data    string
	expires time.Time
	version string

	owner, label, id string
	created, seen    time.Time
}

var (
	_ session.SessionStore     = (*Memory)(nil)
	_ session.Toucher          = (*Memory)(nil)
	_ session.UnchangedDeleter = (*Memory)(nil)
	_ session.ExpiredDeleter   = (*Memory)(nil)
	_ session.OwnerEnder       = (*Memory)(nil)
	_ session.OwnerLister      = (*Memory)(nil)
	_ session.AllEnder         = (*Memory)(nil)
	_ session.TraitsTeller     = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{sessions: make(map[string]memorySession)}
}

// MemoryFeatures are the features of a [Memory].
func MemoryFeatures() Features {
	return Features{
		Revocable:        true,
		DetectsConflicts: true,
		StableToken:      true,
		Toucher:          true,
		UnchangedDeleter: true,
		ExpiredDeleter:   true,
		OwnerEnder:       true,
		OwnerLister:      true,
		AllEnder:         true,
		SynctestBubble:   true,
	}
}

// Load implements [session.SessionStore].
func (m *Memory) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sessiontest: load: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[token]
	if !ok {
		return nil, session.ErrNotFound
	}
	if s.expired() {
		return nil, session.ErrExpired
	}
	return &session.Record{Data: []byte(s.data), Expires: s.expires, Version: s.version}, nil
}

// Save implements [session.SessionStore]. It drops fractions of seconds of
// rec.Expires.
func (m *Memory) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("sessiontest: save: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if token == "" {
		token = rand.Text()
	} else if err := m.check(token, rec); err != nil {
		return "", err
	}
	m.put(token, m.sessions[token], rec)
	return token, nil
}

// Renew implements [session.SessionStore].
func (m *Memory) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("sessiontest: renew: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.sessions[token]
	if token != "" {
		if err := m.check(token, rec); err != nil {
			return "", err
		}
		delete(m.sessions, token)
	}
	newToken := rand.Text()
	m.put(newToken, old, rec)
	return newToken, nil
}

// Delete implements [session.SessionStore].
func (m *Memory) Delete(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sessiontest: delete: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, token)
	return nil
}

// Touch implements [session.Toucher]. It leaves the version as it is, since the
// data stays what it was.
func (m *Memory) Touch(ctx context.Context, token string, rec *session.Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sessiontest: touch: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(token, rec); err != nil {
		return err
	}
	s := m.sessions[token]
	s.expires, s.seen = rec.Expires.UTC().Truncate(time.Second), time.Now().UTC()
	m.sessions[token] = s
	return nil
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (m *Memory) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sessiontest: delete unchanged: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(token, rec); err != nil {
		return err
	}
	delete(m.sessions, token)
	return nil
}

// DeleteExpired implements [session.ExpiredDeleter].
func (m *Memory) DeleteExpired(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sessiontest: delete expired: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int64
	for token, s := range m.sessions {
		if s.expired() {
			delete(m.sessions, token)
			n++
		}
	}
	return n, nil
}

// check reports whether rec may take the place of what token stands for.
// The caller holds m.mu.
func (m *Memory) check(token string, rec *session.Record) error {
	s, ok := m.sessions[token]
	if !ok || s.expired() {
		return session.ErrGone
	}
	if s.version != rec.Version {
		return session.ErrConflict
	}
	return nil
}

// put stores rec as the next version of the session that old was. The caller
// holds m.mu.
func (m *Memory) put(token string, old memorySession, rec *session.Record) {
	m.version++
	rec.Version = strconv.FormatUint(m.version, 10)
	now := time.Now().UTC()
	if old.id == "" || old.owner != rec.Owner {
		old.id, old.created = rand.Text(), now
	}
	m.sessions[strings.Clone(token)] = memorySession{
		data:    string(rec.Data),
		expires: rec.Expires.UTC().Truncate(time.Second),
		version: rec.Version,
		owner:   strings.Clone(rec.Owner),
		label:   strings.Clone(rec.Label),
		id:      old.id,
		created: old.created,
		seen:    now,
	}
}

func (s memorySession) expired() bool { return !time.Now().Before(s.expires) }

// EndSessions implements [session.OwnerEnder].
func (m *Memory) EndSessions(ctx context.Context, owner string) (int64, error) {
	if err := m.owners(ctx, owner, "end sessions"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end(owner, func(memorySession) bool { return true }), nil
}

// EndOtherSessions implements [session.OwnerEnder].
func (m *Memory) EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error) {
	if err := m.owners(ctx, owner, "end other sessions"); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.sessions[token]
	delete(m.sessions, token)
	m.end(owner, func(memorySession) bool { return true })
	if !ok || kept.expired() {
		return "", session.ErrGone
	}
	newToken = rand.Text()
	m.sessions[newToken] = kept
	return newToken, nil
}

// EndAllSessions implements [session.AllEnder].
func (m *Memory) EndAllSessions(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sessiontest: end all sessions: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int64
	for _, s := range m.sessions {
		if !s.expired() {
			n++
		}
	}
	clear(m.sessions)
	return n, nil
}

// Traits implements [session.TraitsTeller].
func (m *Memory) Traits() session.Traits {
	return session.Traits{Ends: true, EndsOwners: true, ListsOwners: true, EndsAll: true}
}

// Sessions implements [session.OwnerLister].
func (m *Memory) Sessions(ctx context.Context, owner, token, after string,
	limit int) (page []session.SessionInfo, next string, err error) {
	if err := m.owners(ctx, owner, "sessions"); err != nil {
		return nil, "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.sessions {
		if s.owner == owner && !s.expired() {
			page = append(page, session.SessionInfo{ID: s.id, Owner: owner, Label: s.label, Created: s.created,
				LastSeen: s.seen, Expires: s.expires, Current: key == token})
		}
	}
	slices.SortFunc(page, func(a, b session.SessionInfo) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	if after != "" {
		i := slices.IndexFunc(page, func(s session.SessionInfo) bool { return s.ID == after })
		page = page[i+1:] // from the start, if that session has ended
	}
	if limit <= 0 || limit > session.MaxSessions {
		limit = session.MaxSessions
	}
	if len(page) > limit {
		page, next = page[:limit], page[limit-1].ID
	}
	return page, next, nil
}

// EndSession implements [session.OwnerLister].
func (m *Memory) EndSession(ctx context.Context, owner, id string) error {
	if err := m.owners(ctx, owner, "end session"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(owner, func(s memorySession) bool { return s.id == id })
	return nil
}

// owners begins an operation on the sessions of an owner.
func (m *Memory) owners(ctx context.Context, owner, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sessiontest: %s: %w", op, err)
	}
	if owner == "" {
		return session.ErrNoOwner
	}
	return nil
}

// end ends the owner's sessions that match, and returns how many were living.
// The caller holds m.mu.
func (m *Memory) end(owner string, match func(memorySession) bool) (n int64) {
	for token, s := range m.sessions {
		if s.owner == owner && match(s) {
			delete(m.sessions, token)
			if !s.expired() {
				n++
			}
		}
	}
	return n
}
