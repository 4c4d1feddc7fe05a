package dbstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sessionengine/internal/sqlkit"
)

// queue runs the writes on a database that belongs to the store, no more of
// them at a time than there are connections for them, and in the order in which
// they come. Writes that have to wait share a transaction: a commit, or a round
// trip, costs more than a statement does. A write that need not wait is run at
// once and on its own.
type queue struct {
	*shared

	// slots is how many writes, or batches of them, run at a time.
	slots int

	// share reports whether a write may be in one batch with those before it,
	// and runs a batch; unless it returns an error, the writes have their
	// results. again is false if the error leaves open what became of them.
	share func(batch []*write, next *write) bool
	run   func(ctx context.Context, batch []*write) (again bool, err error)

	mu      sync.Mutex
	running int
	waiting []*write
}

// maxBatch bounds how many writes share a transaction, and so how long each of
// them takes.
const maxBatch = 128

// write is a write that waits, and its result.
type write struct {
	st   *sqlkit.Statement
	args []any
	n    int64
	err  error
	done chan struct{} // closed when there is a result
}

// exec runs a write and returns the number of rows it changed. When ctx ends
// before its turn comes, nothing is done.
func (q *queue) exec(ctx context.Context, st *sqlkit.Statement, args []any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	if q.running < q.slots {
		q.running++
		q.mu.Unlock()
		defer q.next()
		if q.db.Local {
			ctx = context.WithoutCancel(ctx)
		}
		return st.Exec(ctx, args)
	}
	w := &write{st: st, args: args, done: make(chan struct{})}
	q.waiting = append(q.waiting, w)
	q.mu.Unlock()

	select {
	case <-w.done:
		return w.n, w.err
	case <-ctx.Done():
	}
	if !q.withdraw(w) && q.db.Local {
		<-w.done // any moment now
		return w.n, w.err
	}
	return 0, ctx.Err()
}

// withdraw takes back a write that is still waiting.
func (q *queue) withdraw(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// next gives the slot of a write that is done to the one that has waited
// longest, and to those that can share it.
func (q *queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	batch := q.waiting[:1:1]
	var rest []*write
	for _, w := range q.waiting[1:] {
		if len(batch) < maxBatch && q.share(batch, w) {
			batch = append(batch, w)
		} else {
			rest = append(rest, w)
		}
	}
	q.waiting = rest
	q.db.Background.Go(func() {
		defer q.next()
		q.serve(batch)
	})
}

// serve runs a batch, and each of its writes on its own if nothing came of it.
// It does not end with the context of a write: the others want it done.
func (q *queue) serve(batch []*write) {
	defer func() {
		for _, w := range batch {
			close(w.done)
		}
	}()
	ctx := context.Background()
	if !q.db.Local {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.opts.Timeout)
		defer cancel()
	}
	if len(batch) > 1 {
		again, err := q.run(ctx, batch)
		if err == nil {
			return
		}
		if !again {
			for _, w := range batch {
				w.err = err
			}
			return
		}
	}
	for _, w := range batch {
		w.n, w.err = w.st.Exec(ctx, w.args)
	}
}

// newQueue returns the queue of a store, or nil if its database does without.
func newQueue(s *shared) *queue {
	switch {
	case s.db.Local:
		return &queue{shared: s, slots: 1, share: shareTransaction, run: s.runInTransaction}
	case s.dialect == Postgres && s.opts.OwnDB:
		if n := s.db.Pool.Stats().MaxOpenConnections; n > 0 {
			return &queue{shared: s, slots: n, share: s.shareStatement, run: s.runInStatement}
		}
	}
	return nil
}

// shareTransaction puts all that does not take long into one transaction.
func shareTransaction(batch []*write, next *write) bool {
	return !batch[0].st.Alone && !next.st.Alone
}

// runInTransaction runs a batch as one transaction of an SQLite database. Each
// write keeps its own result: that one changes no row does not concern the
// others. If it fails, it is rolled back.
func (s *shared) runInTransaction(ctx context.Context, batch []*write) (again bool, err error) {
	for _, w := range batch {
		// The transaction takes the only connection: prepare before it does.
		if err := w.st.Ready(ctx); err != nil {
			return true, err
		}
	}
	tx, err := s.db.Pool.BeginTx(ctx, nil)
	if err != nil {
		return true, err
	}
	defer tx.Rollback()
	for _, w := range batch {
		if w.n, err = w.st.ExecIn(ctx, tx, w.args); err != nil {
			return true, err
		}
	}
	return true, tx.Commit()
}

// shareStatement puts saves of different sessions into one statement.
func (s *shared) shareStatement(batch []*write, next *write) bool {
	if batch[0].st != s.update || next.st != s.update {
		return false
	}
	return !slices.ContainsFunc(batch, func(w *write) bool { return updateKey(w) == updateKey(next) })
}

// updateKey is the stored key of the session that an update saves.
func updateKey(w *write) string { return w.args[2].(string) }

// runInStatement runs saves as one statement of PostgreSQL, which returns the
// keys of those that were made.
func (s *shared) runInStatement(ctx context.Context, batch []*write) (again bool, err error) {
	// In the order of their keys, so that such statements of several machines
	// lock rows in the same order.
	slices.SortFunc(batch, func(a, b *write) int { return strings.Compare(updateKey(a), updateKey(b)) })
	saves := make(map[string]*write, len(batch))
	var text strings.Builder
	text.WriteString("UPDATE " + s.quoted + " AS s SET session_data = v.data, expire_date = v.expires FROM (VALUES ")
	args := []any{batch[0].args[4]}
	for i, w := range batch {
		saves[updateKey(w)] = w
		types := [4]string{}
		if i == 0 {
			types = [4]string{"::text", "::timestamptz", "::text", "::text"}
		} else {
			text.WriteString(", ")
		}
		for j, arg := range w.args[:4] {
			separator := ", "
			if j == 0 {
				separator = "("
			}
			args = append(args, arg)
			text.WriteString(separator + "$" + strconv.Itoa(len(args)) + types[j])
		}
		text.WriteString(")")
	}
	text.WriteString(`) AS v (data, expires, key, version) WHERE s.session_key = v.key ` +
		`AND s.session_data = v.version COLLATE "C" AND s.expire_date > $1 RETURNING s.session_key`)

	rows, err := s.db.Pool.QueryContext(ctx, text.String(), args...)
	if err != nil {
		return sqlkit.Refused(err), err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return false, err
		}
		if w := saves[key]; w != nil {
			w.n = 1
		}
	}
	if err := rows.Err(); err != nil {
		return sqlkit.Refused(err), err
	}
	return false, nil
}
