//go:build !linux

package netwatch

import (
	"errors"
	"time"
)

// beats fails: the ticks of a time.Ticker do.
func beats(time.Duration) (ticks <-chan time.Time, stop func(), err error) {
	return nil, nil, errors.ErrUnsupported
}
