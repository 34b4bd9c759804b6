package lan

import (
	"net"

	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
)

// group is where multicast DNS is spoken (RFC 6762, section 3). IPv6 alone is not served: what a beacon says may have IPv6 addresses.
var group = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// open opens sockets on all interfaces that there are now. The port is shared with the system's own responder.
func (c Config) open() (conn *mdns.Conn, err error) {
	err = c.Within.Do(func() error {
		socket, err := net.ListenUDP("udp4", &group) // to a multicast address it is shared
		if err != nil {
			return err
		}
		options := []mdns.ServerOption{mdns.WithQueryInterval(askInterval), mdns.WithCacheRefresh(false)}
		if c.Beacon != nil {
			options = append(options, mdns.WithService(c.instance()))
		}
		if conn, err = mdns.NewServer(ipv4.NewPacketConn(socket), nil, options...); err != nil {
			socket.Close()
		}
		return err
	})
	return conn, err
}
