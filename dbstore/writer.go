package dbstore

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// writer runs the writes on a database that takes one at a time, in the order
// in which they come. Those that come while one is running go into one
// transaction after it: a commit costs more than a statement does.
//
// There is no goroutine behind it. Whoever waits longest becomes the leader and
// runs what is in the queue for the others, too, so that a write which meets no
// other one is run at once and on its own.
type writer struct {
	db *sql.DB

	mu    sync.Mutex
	busy  bool // somebody runs writes, or is about to
	queue []*write
}

// maxBatch bounds how many writes share a transaction, and so how long each of
// them takes.
const maxBatch = 128

// write is a write, and its result once it is done.
type write struct {
	st   *statement
	args []any
	n    int64
	err  error

	ready chan struct{} // closed when the write is done, or is to lead
	batch []*write      // what to lead, itself first
}

// exec runs a write and returns the number of rows it changed. When ctx ends
// before its turn comes, nothing is done.
func (w *writer) exec(ctx context.Context, st *statement, args []any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	if !w.busy {
		w.busy = true
		w.mu.Unlock()
		defer w.next()
		return st.exec(context.WithoutCancel(ctx), args)
	}
	own := &write{st: st, args: args, ready: make(chan struct{})}
	w.queue = append(w.queue, own)
	w.mu.Unlock()

	select {
	case <-own.ready:
	case <-ctx.Done():
		if w.withdraw(own) {
			return 0, ctx.Err()
		}
		<-own.ready // it has been taken up
	}
	if own.batch != nil {
		defer w.next()
		w.run(context.WithoutCancel(ctx), own.batch)
		for _, other := range own.batch[1:] {
			close(other.ready)
		}
	}
	return own.n, own.err
}

// withdraw takes a write out of the queue, and is false if it is not there any
// more.
func (w *writer) withdraw(own *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, own)
	if i < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

// next hands the queue over to its first.
func (w *writer) next() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.busy = false
		return
	}
	n := 1
	for !w.queue[0].st.alone && n < min(len(w.queue), maxBatch) && !w.queue[n].st.alone {
		n++
	}
	leader := w.queue[0]
	leader.batch = slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	close(leader.ready)
}

// run runs a batch. Its writes keep their own results: one that changes no row
// does not concern the others. If the transaction fails, nothing of it was
// done, and each is run on its own.
func (w *writer) run(ctx context.Context, batch []*write) {
	if len(batch) > 1 && w.runTogether(ctx, batch) == nil {
		return
	}
	for _, each := range batch {
		each.n, each.err = each.st.exec(ctx, each.args)
	}
}

func (w *writer) runTogether(ctx context.Context, batch []*write) error {
	for _, each := range batch {
		// The transaction takes the only connection: prepare before it does.
		if err := each.st.ready(ctx); err != nil {
			return err
		}
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, each := range batch {
		if each.n, err = each.st.execIn(ctx, tx, each.args); err != nil {
			return err
		}
	}
	return tx.Commit()
}
