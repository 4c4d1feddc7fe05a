package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// A fileStore keeps each session in a file: its expiry in Unix seconds, a line
// break, and its data. The file's name is a hash of the token, so that who reads
// the folder's names has no token. Only one process may use the folder.
//
// It waits for no disk: sessions of the last seconds before a power loss may be
// gone. What is expired stays, for a cron job to delete.
type fileStore struct {
	dir string
	mu  sync.Mutex // held while a session is compared and written
}

func newFileStore(dir string) *fileStore { return &fileStore{dir: dir} }

func (s *fileStore) path(token string) string {
	sum := sha256.Sum256([]byte(token))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:]))
}

// Load reads a file. Its whole text is the version.
func (s *fileStore) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.path(token))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, session.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	seconds, data, _ := strings.Cut(string(text), "\n")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, session.ErrInvalidToken
	}
	if expires := time.Unix(unix, 0); time.Now().Before(expires) {
		return &session.Record{Data: []byte(data), Expires: expires.UTC(), Version: string(text)}, nil
	}
	return nil, session.ErrExpired
}

func (s *fileStore) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.write(ctx, token, token, rec)
}

func (s *fileStore) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.write(ctx, token, "", rec)
}

func (s *fileStore) Delete(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := os.Remove(s.path(token))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write writes the session that old stands for under a token, or under a new one
// if that is empty, unless it has changed meanwhile or is gone.
func (s *fileStore) write(ctx context.Context, old, token string, rec *session.Record) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old != "" {
		switch stored, err := s.Load(ctx, old); {
		case errors.Is(err, session.ErrNotFound):
			return "", session.ErrGone
		case err != nil:
			return "", err
		case stored.Version != rec.Version:
			return "", session.ErrConflict
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if token == "" {
		token = rand.Text()
	}
	text := strconv.FormatInt(rec.Expires.Unix(), 10) + "\n" + string(rec.Data)
	temp := filepath.Join(s.dir, "temporary") // there is one writer at a time
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		return "", err
	}
	if err := os.Rename(temp, s.path(token)); err != nil { // so that nobody reads half of it
		return "", err
	}
	if old != "" && old != token {
		if err := os.Remove(s.path(old)); err != nil {
			return "", err
		}
	}
	rec.Version = text
	return token, nil
}
