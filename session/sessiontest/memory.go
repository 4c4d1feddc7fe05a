package sessiontest

import (
	"context"
	"crypto/rand"
	"fmt"
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
}

var (
	_ session.SessionStore     = (*Memory)(nil)
	_ session.Toucher          = (*Memory)(nil)
	_ session.UnchangedDeleter = (*Memory)(nil)
	_ session.ExpiredDeleter   = (*Memory)(nil)
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
	m.put(token, rec)
	return token, nil
}

// Renew implements [session.SessionStore].
func (m *Memory) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("sessiontest: renew: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if token != "" {
		if err := m.check(token, rec); err != nil {
			return "", err
		}
		delete(m.sessions, token)
	}
	newToken := rand.Text()
	m.put(newToken, rec)
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
	s.expires = rec.Expires.UTC().Truncate(time.Second)
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

// check tells whether rec may take the place of what token stands for.
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

// put stores rec as the next version. The caller holds m.mu.
func (m *Memory) put(token string, rec *session.Record) {
	m.version++
	rec.Version = strconv.FormatUint(m.version, 10)
	m.sessions[strings.Clone(token)] = memorySession{
		data:    string(rec.Data),
		expires: rec.Expires.UTC().Truncate(time.Second),
		version: rec.Version,
	}
}

func (s memorySession) expired() bool { return !time.Now().Before(s.expires) }
