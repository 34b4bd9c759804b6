//go:build !linux && !darwin && !windows

package netwatch

import (
	"errors"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// listen fails: the network is looked at every so often.
func listen(netspace.Space) (events <-chan struct{}, stop func(), err error) {
	return nil, nil, errors.ErrUnsupported
}
