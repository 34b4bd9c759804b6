package bodkin

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/bodkin-p2p/bodkin/internal/gather"
	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"github.com/bodkin-p2p/bodkin/internal/netwatch"
	"github.com/bodkin-p2p/bodkin/internal/portmap"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
)

// A system is what a node has from the machine it runs on: sockets, and what the network around it looks like. There is this machine, and
// one in memory, for tests that play a week. Port mapping and discovery on the link do not go by it.
type system interface {
	// Open takes a local port, zero for any that is free.
	Open(ctx context.Context, number uint16) (localPort, error)
	// Connect connects from local, of which the zero value means any address and port. started is called once the SYN has left; nil: nobody.
	Connect(ctx context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error)
	// Dial opens an ordinary connection to an address that may be a name.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Interfaces lists those that are up, without loopback.
	Interfaces() ([]gather.Interface, error)
	// Source is the address from which a connection to remote would leave; an error if there is no way.
	Source(remote netip.AddrPort) (netip.Addr, error)
	// Gateway describes the way out; empty if there is none.
	Gateway() string
	// Watch runs until ctx ends, and tells of each change of what Config.Look says. Config.Within is not for the caller.
	Watch(ctx context.Context, config netwatch.Config) error
}

// A localPort is one that many sockets share, as *reuseport.Port.
type localPort interface {
	Accept() (net.Conn, error)
	Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
	Number() uint16
	Check(ctx context.Context) error
	Close() error
}

// machine is the system in a network namespace: where within runs what opens sockets.
type machine struct {
	within netspace.Space
}

func (m machine) Open(ctx context.Context, number uint16) (localPort, error) {
	port, err := reuseport.Open(ctx, reuseport.Config{Port: number, Within: m.within})
	if err != nil {
		return nil, err // and no localPort that holds a nil
	}
	return port, nil
}

func (m machine) Connect(ctx context.Context, local, remote netip.AddrPort, started func()) (net.Conn, error) {
	return reuseport.Connect{Within: m.within, Local: local, Remote: remote, Started: started}.Dial(ctx)
}

func (m machine) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	var dialer net.Dialer
	dialer.SetMultipathTCP(false) // the relay could not splice it
	err = m.within.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

func (m machine) Interfaces() ([]gather.Interface, error) { return gather.Interfaces(m.within) }

func (m machine) Source(remote netip.AddrPort) (netip.Addr, error) {
	return gather.Source(m.within, remote)
}

func (m machine) Gateway() string {
	gateway, err := portmap.Gateway(m.within)
	if err != nil {
		return ""
	}
	return fmt.Sprint(gateway)
}

func (m machine) Watch(ctx context.Context, config netwatch.Config) error {
	config.Within = m.within
	return netwatch.Run(ctx, config)
}
