//go:build !linux

package load

import (
	"context"
	"errors"
)

var errNoNetem = errors.New("load: netem: it is a part of Linux")

// NetemAvailable returns why [Netem] cannot be used here, or nil.
func NetemAvailable(context.Context) error { return errNoNetem }

func (Link) openNetem(context.Context, string) (*Path, error) { return nil, errNoNetem }
