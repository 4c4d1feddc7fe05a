package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

// A script runs on the server in one step.
type script struct {
	*redis.Script
	text string
}

func newScript(text string) script { return script{redis.NewScript(text), text} }

// What scripts answer.
const (
	done     = 1
	conflict = 0
	gone     = -1
	taken    = -2 // the new key is there already
)

// call is a command that notices whether it was sent more than once.
type call struct {
	*redis.Cmd
	failed int // attempts, as far as go-redis has asked what to do about them
}

// NoRetry is what go-redis asks after a failed attempt.
func (c *call) NoRetry() bool {
	c.failed++
	return false
}

// do sends a command that writes, with its key at the given place. repeated says that
// go-redis sent it again after an attempt of which nobody knows whether it was
// executed.
func (s *shared) do(ctx context.Context, keyAt int, args ...any) (answer any, repeated bool, err error) {
	answer, failed, err := s.send(ctx, keyAt, args)
	return answer, failed > 0, err
}

// moving is how long an operation waits for a slot that is being moved to another
// node of a Cluster.
const moving = 3 * time.Second

// send sends a command that writes, and tells how many attempts have failed. While a
// slot is moved, a script with two keys in it is refused unless both are on the same
// node already, and so is what has to be one connection's with WAIT
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-key-operations).
// Nothing has been done then, and send tries again.
func (s *shared) send(ctx context.Context, keyAt int, args []any) (answer any, failed int, err error) {
	_, isCluster := s.client.(*redis.ClusterClient)
	began := time.Now()
	for pause := 4 * time.Millisecond; ; pause = min(2*pause, 64*time.Millisecond) {
		answer, n, err := s.sendOnce(ctx, keyAt, args)
		failed += n
		moved := redis.HasErrorPrefix(err, "TRYAGAIN") || redis.HasErrorPrefix(err, "ASK") ||
			redis.HasErrorPrefix(err, "MOVED")
		if !moved || !isCluster || time.Since(began) > moving {
			return answer, failed, err
		}
		select {
		case <-ctx.Done():
			return nil, failed, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (s *shared) sendOnce(ctx context.Context, keyAt int, args []any) (answer any, failed int, err error) {
	c := &call{Cmd: redis.NewCmd(ctx, args...)}
	c.SetFirstKeyPos(int8(keyAt))
	if s.opts.WaitReplicas == 0 {
		s.client.Process(ctx, c)
	} else if err := s.waitFor(ctx, args[keyAt].(string), c); err != nil {
		return nil, c.failed, err
	}
	answer, err = c.Result()
	return answer, c.failed, err
}

// waitFor sends a command, and waits for replicas: on one connection, since WAIT is
// about what was sent on its own (https://redis.io/docs/latest/commands/wait/). Watch
// finds the connection in a Cluster too; nothing is done in a transaction.
func (s *shared) waitFor(ctx context.Context, key string, c *call) error {
	err := s.client.Watch(ctx, func(tx *redis.Tx) error {
		if err := tx.Process(ctx, c); err != nil && err != redis.Nil {
			return err
		}
		n, err := tx.Wait(ctx, s.opts.WaitReplicas, s.opts.WaitTimeout).Result()
		if err == nil && n < int64(s.opts.WaitReplicas) {
			err = errReplicas
		}
		return err
	}, key)
	if own := c.Err(); own != nil && own != redis.Nil {
		return nil // it says so itself
	}
	return err
}

var errReplicas = errors.New("the primary has done it, but not enough replicas have confirmed it in time" +
	" (WaitReplicas, WaitTimeout)")

// run runs a script.
func (s *shared) run(ctx context.Context, sc script, keys []string, args ...any) (answer any, repeated bool,
	err error) {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", sc.Hash(), len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	all = append(all, args...)
	const keyAt = 3
	answer, failed, err := s.send(ctx, keyAt, all)
	if !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return answer, failed > 0, err
	}
	all[0], all[1] = "eval", sc.text
	answer, again, err := s.send(ctx, keyAt, all)
	return answer, failed > 1 || again > 0, err // go-redis has asked about NOSCRIPT too
}

// errUnknown says that an operation may have been done.
var errUnknown = errors.New("the connection broke before the answer came, and another request has changed or ended" +
	" the session since: whether this was done before is not known")

// none says that no answer of a script is ambiguous.
const none = done

// change runs a script that changes a session, and makes an error of its answer.
// ambiguous is the answer that it may also give because it has run already.
func (s *shared) change(ctx context.Context, sc script, ambiguous int64, keys []string, args ...any) error {
	answer, repeated, err := s.run(ctx, sc, keys, args...)
	if err != nil {
		return err
	}
	switch n, ok := answer.(int64); {
	case !ok:
		return errAnswer
	case n == done:
		return nil
	case repeated && n == ambiguous:
		return errUnknown
	case n == conflict:
		return session.ErrConflict
	case n == taken:
		return errTaken
	}
	return session.ErrGone
}

var (
	errTaken  = errors.New("the new key is there already")
	errAnswer = errors.New("the server gave an answer that was not expected")
)

// begin begins an operation.
func (s *shared) begin(ctx context.Context, op string) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %s: %w", op, err)
	}
	return nil
}

// failure returns the error of an operation without what a server's message could
// tell of keys and values.
func (s *shared) failure(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == session.ErrConflict, err == session.ErrGone:
		return err
	case errors.Is(err, redis.ErrClosed) || s.closed.Load():
		return session.ErrClosed
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = ended
	}
	if answer, ok := errors.AsType[redis.Error](err); ok {
		err = &serverError{answer}
	}
	return fmt.Errorf("redisstore: %s: %w", op, err)
}

// serverError is an error that the server reported. Its text has nothing of the
// command.
type serverError struct{ answer redis.Error }

// advice says what to do about the errors that a server reports by these first
// words (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors).
var advice = map[string]string{
	"OOM":         "the server is out of memory; give it more (maxmemory)",
	"READONLY":    "the server is a replica; connect to the primary, through Sentinel or a Cluster client",
	"LOADING":     "the server is still loading its data",
	"NOAUTH":      "the server asks for a password; put it into the URL or the client's options",
	"WRONGPASS":   "the server refuses the user or the password",
	"NOPERM":      "the server's access list forbids the command or the key; see the documentation of redisstore",
	"CLUSTERDOWN": "the cluster is down, or does not serve the slot",
	"MASTERDOWN":  "the replica has lost its primary",
	"NOREPLICAS":  "the server has too few replicas to take writes (min-replicas-to-write)",
	"MISCONF":     "the server takes no writes since it cannot save to its disk",
	"BUSY":        "the server is running another script",
	"TRYAGAIN":    "the slot is being moved to another node; try again",
	"ASK":         "the slot is being moved to another node; try again",
	"CROSSSLOT":   "the keys are in different slots; the server is a Cluster, and the client not one for it",
	"MOVED":       "the server is a Cluster, and the client not one for it",
	"WRONGTYPE":   "the key holds something that is no session; give the store a Prefix of its own",
}

func (e *serverError) Error() string {
	code, _, _ := strings.Cut(e.answer.Error(), " ")
	if strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		code = "ERR"
	}
	if text, ok := advice[code]; ok {
		return "the server answers " + code + ": " + text
	}
	return "the server answers " + code
}

// left returns what is left of a life that ends at t, in the milliseconds that the
// server is told. It is never 0, which would be an error there.
func left(t, now time.Time) int64 {
	return max(1, min(max(0, t.UnixMilli()), maxMilli)-now.UnixMilli())
}
