//go:build !linux

package poll

import (
	"net"
	"sync"
)

// A backend is nothing here: every connection has its goroutine.
type backend struct{}

func (*backend) open(*Loop) error                      { return nil }
func (*backend) run(*sync.WaitGroup)                   {}
func (*backend) add(net.Conn, Handler) (Socket, error) { return nil, nil }
func (*backend) close()                                {}
