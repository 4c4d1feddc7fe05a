package nearcache_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"sessionengine/nearcache"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// hub is an engine in memory that tells of changes as it is told to.
type hub struct {
	*sessiontest.Memory

	mu       sync.Mutex
	watchers map[*watcher]bool
	watches  int  // how often one has begun
	down     bool // nobody can watch
	swallow  bool // what is told does not arrive

	loads  int
	loaded func(token string) // unless nil: what a load waits for, between its read and its answer
}

type watcher struct {
	changed func(string)
	lost    chan struct{}
}

var errDown = errors.New("the server is down")

func newHub() *hub { return &hub{Memory: sessiontest.NewMemory(), watchers: make(map[*watcher]bool)} }

func (h *hub) Changes() (session.ChangeFeed, error) {
	return session.ChangeFeed{
		Key: func(token string) (string, bool) { return "key of " + token, len(token) > 10 },
		Watch: func(ctx context.Context, _ time.Duration, ready func(), changed func(string)) error {
			w := &watcher{changed, make(chan struct{})}
			h.mu.Lock()
			h.watches++
			if h.down {
				h.mu.Unlock()
				return errDown
			}
			ready()
			h.watchers[w] = true
			h.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-w.lost:
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.watchers, w)
			return errors.Join(ctx.Err(), errDown)
		},
	}, nil
}

// tell has each watcher know of a change.
func (h *hub) tell(token string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if err == nil && token != "" && !h.swallow {
			w.changed("key of " + token)
		}
	}
}

// setDown cuts all watchers off, and keeps them away, or lets them come again.
func (h *hub) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
	for w := range h.watchers {
		close(w.lost)
		delete(h.watchers, w)
	}
}

func (h *hub) Load(ctx context.Context, token string) (*session.Record, error) {
	rec, err := h.Memory.Load(ctx, token)
	h.mu.Lock()
	h.loads++
	loaded := h.loaded
	h.mu.Unlock()
	if loaded != nil {
		loaded(token)
	}
	return rec, err
}

func (h *hub) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	newToken, err := h.Memory.Save(ctx, token, rec)
	h.tell(token, err)
	return newToken, err
}

func (h *hub) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	newToken, err := h.Memory.Renew(ctx, token, rec)
	h.tell(token, err)
	return newToken, err
}

func (h *hub) Delete(ctx context.Context, token string) error {
	err := h.Memory.Delete(ctx, token)
	h.tell(token, err)
	return err
}

func (h *hub) Touch(ctx context.Context, token string, rec *session.Record) error {
	err := h.Memory.Touch(ctx, token, rec)
	h.tell(token, err)
	return err
}

func (h *hub) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	err := h.Memory.DeleteUnchanged(ctx, token, rec)
	h.tell(token, err)
	return err
}

// EndSessions and the like tell that anything may have changed.
func (h *hub) all(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if !h.swallow {
			w.changed("")
		}
	}
}

func (h *hub) EndSessions(ctx context.Context, owner string) (int64, error) {
	n, err := h.Memory.EndSessions(ctx, owner)
	h.all(err)
	return n, err
}

func (h *hub) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	newToken, err := h.Memory.EndOtherSessions(ctx, owner, token)
	h.all(err)
	return newToken, err
}

func (h *hub) EndSession(ctx context.Context, owner, id string) error {
	err := h.Memory.EndSession(ctx, owner, id)
	h.all(err)
	return err
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// near puts a near cache around an engine until the test ends, and waits until it
// watches.
func near(t testing.TB, engine session.SessionStore, opts nearcache.Options) *nearcache.Store {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = quiet
	}
	s, err := nearcache.New(engine, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	watches(t, s)
	return s
}

// watches waits until a near cache watches.
func watches(t testing.TB, s *nearcache.Store) {
	t.Helper()
	for range 20000 {
		if s.Stats().Watching {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("changes are not told")
}

// create begins a session.
func create(t testing.TB, s session.SessionStore, data string) (string, *session.Record) {
	t.Helper()
	rec := &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour).Truncate(time.Second)}
	token, err := s.Save(context.Background(), "", rec)
	if err != nil {
		t.Fatal(err)
	}
	return token, rec
}

// holds checks what a session holds; "" stands for none.
func holds(t testing.TB, s session.SessionStore, token, want string) {
	t.Helper()
	rec, err := s.Load(context.Background(), token)
	switch {
	case want == "" && !errors.Is(err, session.ErrNotFound):
		t.Errorf("loaded %v, %v; want no session", rec, err)
	case want != "" && err != nil:
		t.Error(err)
	case want != "" && string(rec.Data) != want:
		t.Errorf("loaded %s, want %s", rec.Data, want)
	}
}

// change saves a session with other data, through an engine.
func change(t testing.TB, s session.SessionStore, token, data string) {
	t.Helper()
	rec, err := s.Load(context.Background(), token)
	if err == nil {
		rec.Data = []byte(data)
		_, err = s.Save(context.Background(), token, rec)
	}
	if err != nil {
		t.Error(err)
	}
}
