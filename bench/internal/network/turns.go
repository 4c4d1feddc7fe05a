package network

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
)

// turns is a measurement in rounds.
type turns struct {
	dir     string         // for files, which are deleted at the end
	random  *rand.Rand     // of the order within the rounds
	closers []func() error // to be called from the last to the first
	done    int            // steps
}

func newTurns(seed uint64) *turns { return &turns{random: rand.New(rand.NewPCG(seed, 0))} }

// take opens everything, measures so many rounds, and closes everything. It
// returns how many rounds are complete.
func (t *turns) take(ctx context.Context, rounds int, open func(context.Context) error,
	round func(context.Context, int) error) (complete int, err error) {
	if t.dir, err = os.MkdirTemp("", "network-"); err != nil {
		return 0, fmt.Errorf("network: %w", err)
	}
	defer os.RemoveAll(t.dir)
	err = open(ctx)
	for err == nil && complete < rounds {
		if err = round(ctx, complete); err == nil {
			complete++
		}
	}
	var errs []error
	for _, f := range slices.Backward(t.closers) {
		errs = append(errs, f())
	}
	if err == nil {
		err = errors.Join(errs...)
	}
	if err != nil {
		err = fmt.Errorf("network: %w", err)
	}
	return complete, err
}
