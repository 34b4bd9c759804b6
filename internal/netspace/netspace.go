// Package netspace is where sockets are opened: in the network of this process, or in another network namespace, as on the machines that
// package natlab plays.
package netspace

// A Space runs open, which opens sockets or asks the system for its addresses and routes, in a network, and returns its error. The nil Space
// is the network of the calling thread.
type Space func(open func() error) error

// Do runs open in the space.
func (s Space) Do(open func() error) error {
	if s == nil {
		return open()
	}
	return s(open)
}
