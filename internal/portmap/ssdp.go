package portmap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	ssdpPort     = 1900
	maxSSDP      = 2 << 10 // of an answer; they are some 500 bytes
	maxLocations = 4       // looked at: a gateway may have more than one description
)

// ssdpTargets are what is searched for: gateways of version 2 answer for version 1 as well, and some for neither but for the
// root device.
func ssdpTargets() []string {
	return []string{
		"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
		"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
		"upnp:rootdevice",
	}
}

// search is what is sent (UPnP Device Architecture 1.1, section 1.3.2).
func search(target string) []byte {
	return fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: %s\r\n\r\n", target)
}

// locate asks for UPnP devices, and gives each place where the gateway has a description to visit, until that returns true. It asks
// everybody on the link and the gateway directly, since some answer only the one or the other, but hears the gateway only.
func (l link) locate(ctx context.Context, visit func(*url.URL) bool) error {
	conn, err := l.listenUDP(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	group := netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), ssdpPort)
	buffer := make([]byte, maxSSDP)
	seen := map[string]bool{}
	for _, wait := range []time.Duration{time.Second, 2 * time.Second} { // answers may take up to MX
		for _, target := range ssdpTargets() {
			for _, to := range []netip.AddrPort{netip.AddrPortFrom(l.gateway, ssdpPort), group} {
				// A packet that cannot be sent is one that is not answered.
				_, _ = conn.WriteToUDPAddrPort(search(target), to)
			}
		}
		for end := time.Now().Add(wait); ; {
			at, err := l.receiveLocation(ctx, conn, buffer, end)
			if err != nil {
				break
			}
			if len(seen) == maxLocations {
				return errSilent
			}
			if !seen[at.String()] {
				seen[at.String()] = true
				if visit(at) {
					return nil
				}
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errSilent
}

// receiveLocation returns the place that the next answer of the gateway tells.
func (l link) receiveLocation(ctx context.Context, conn *net.UDPConn, buffer []byte, end time.Time) (*url.URL, error) {
	conn.SetReadDeadline(end)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return nil, err
		}
		if from.Addr().Unmap() != l.gateway.Unmap() {
			continue
		}
		if at, err := parseSSDP(buffer[:n], l.gateway); err == nil {
			return at, nil
		}
	}
}

// parseSSDP reads an answer to a search: where the description of a device is, which must be at the gateway.
func parseSSDP(b []byte, gateway netip.Addr) (*url.URL, error) {
	response, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(b), maxSSDP), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, errMalformed
	}
	response.Body.Close()
	at, err := url.Parse(response.Header.Get("Location"))
	if err != nil || !isAt(at, gateway) {
		return nil, errMalformed
	}
	return at, nil
}

// isAt reports whether u is plain HTTP to the gateway's address itself.
func isAt(u *url.URL, gateway netip.Addr) bool {
	host, err := netip.ParseAddr(u.Hostname())
	return err == nil && u.Scheme == "http" && u.User == nil && host.Unmap() == gateway.Unmap()
}

// listenUDP returns a socket on the interface that leads to the gateway.
func (l link) listenUDP(ctx context.Context) (conn *net.UDPConn, err error) {
	toGateway, err := l.dialUDP(netip.AddrPortFrom(l.gateway, ssdpPort))
	if err != nil {
		return nil, err
	}
	local := localAddr(toGateway)
	toGateway.Close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	err = l.within.Do(func() error {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		return err
	})
	return conn, err
}
