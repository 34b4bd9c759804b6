//go:build !linux && !darwin && !windows

package netwatch

import "errors"

// listen fails: the network is looked at every so often.
func listen(func(open func() error) error) (events <-chan struct{}, stop func(), err error) {
	return nil, nil, errors.ErrUnsupported
}
