package portmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp/soap"
)

// Errors of UPnP IGD (WANIPConnection:2, section 2.5).
const (
	upnpNotAuthorized      = 606
	upnpNoSuchEntry        = 714
	upnpConflict           = 718
	upnpOnlyPermanentLease = 725
	upnpConflictElsewhere  = 729 // WANIPConnection:2: with another mechanism
)

// upnpTries is how many external ports are asked for where the wanted one is taken.
const upnpTries = 4

// upnpText is what people see in the gateway's own list of mappings.
const upnpText = "bodkin"

// A upnpClient keeps a mapping by UPnP.
type upnpClient struct {
	link  link
	port  uint16
	wan   wanConnection // found
	local netip.Addr    // this machine, as the gateway sees it
	addr  netip.Addr    // external
	given uint16        // external port; zero: none yet
}

func newUPnPClient(l link, port uint16) *upnpClient { return &upnpClient{link: l, port: port} }

func (c *upnpClient) protocol() Protocol { return UPnP }

// find looks for a connection to the outside that has an address, or takes one that has none.
func (c *upnpClient) find(ctx context.Context) error {
	if c.wan != nil {
		return nil
	}
	conn, err := c.link.dialUDP(netip.AddrPortFrom(c.link.gateway, ssdpPort))
	if err != nil {
		return err
	}
	c.local = localAddr(conn)
	conn.Close()
	err = c.link.locate(ctx, func(at *url.URL) bool {
		root, err := c.link.describe(ctx, at)
		if err != nil {
			return false
		}
		for _, wan := range wanConnections(root, at, c.link.httpClient()) {
			addr, err := externalAddr(ctx, wan)
			if err == nil && (c.wan == nil || addr.IsValid()) {
				c.wan, c.addr = wan, addr
			}
		}
		return c.wan != nil
	})
	if c.wan != nil {
		return nil
	}
	return err
}

// externalAddr asks a gateway for its address outside. That it has none is no error.
func externalAddr(ctx context.Context, wan wanConnection) (netip.Addr, error) {
	text, err := wan.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || addr.Zone() != "" {
		return netip.IPv4Unspecified(), nil
	}
	return addr.Unmap(), nil
}

func (c *upnpClient) mapPort(ctx context.Context, lifetime time.Duration) (Mapping, error) {
	if c.wan == nil {
		return Mapping{}, ErrNotOffered
	}
	wanted := c.given
	if wanted == 0 {
		wanted = c.port
	}
	given, granted, err := c.add(ctx, wanted, lifetime)
	for tries := 1; isConflict(err) && tries < upnpTries; tries++ {
		given, granted, err = c.add(ctx, uint16(20000+rand.IntN(40001)), lifetime)
	}
	if err != nil {
		if upnpCode(err) == 0 {
			c.wan = nil // no answer: it may listen elsewhere now
		}
		return Mapping{}, upnpError(err)
	}
	c.given = given
	return Mapping{Protocol: UPnP, External: external(c.addr, given), Lifetime: granted}, nil
}

// add asks for one external port; a gateway of version 2 may give another. Some gateways only map for ever.
func (c *upnpClient) add(ctx context.Context, wanted uint16, lifetime time.Duration) (given uint16, granted time.Duration, err error) {
	given, err = c.addOnce(ctx, wanted, seconds(lifetime))
	if upnpCode(err) == upnpOnlyPermanentLease {
		lifetime = 0
		given, err = c.addOnce(ctx, wanted, 0)
	}
	if err == nil && given == 0 {
		err = fmt.Errorf("%w: a mapping without a port", errMalformed)
	}
	return given, lifetime, err
}

func (c *upnpClient) addOnce(ctx context.Context, wanted uint16, lifetime uint32) (given uint16, err error) {
	if v2, ok := c.wan.(anyPortMapper); ok && c.given == 0 {
		given, err = v2.AddAnyPortMappingCtx(ctx, "", wanted, "TCP", c.port, c.local.String(), true, upnpText, lifetime)
		if code := upnpCode(err); err == nil || isConflict(err) || code == upnpOnlyPermanentLease || code == upnpNotAuthorized {
			return given, err
		} // else the gateway says version 2 and does not know the action
	}
	return wanted, c.wan.AddPortMappingCtx(ctx, "", wanted, "TCP", c.port, c.local.String(), true, upnpText, lifetime)
}

// check looks whether the mapping is there, and the external address the same.
func (c *upnpClient) check(ctx context.Context) error {
	if c.wan == nil {
		return errLost
	}
	addr, err := externalAddr(ctx, c.wan)
	if err != nil {
		c.wan = nil // another instance may listen elsewhere now
		return errLost
	}
	port, host, _, _, _, err := c.wan.GetSpecificPortMappingEntryCtx(ctx, "", c.given, "TCP")
	lost := upnpCode(err) == upnpNoSuchEntry || err == nil && (port != c.port || host != c.local.String()) || addr != c.addr
	c.addr = addr
	if lost {
		return errLost
	}
	return nil
}

func (c *upnpClient) unmap(ctx context.Context) error {
	if c.wan == nil || c.given == 0 {
		return nil
	}
	err := c.wan.DeletePortMappingCtx(ctx, "", c.given, "TCP")
	if upnpCode(err) == upnpNoSuchEntry {
		return nil
	}
	return err
}

// upnpCode is the code of a UPnP error, 0 if err is none.
func upnpCode(err error) int {
	var fault *soap.SOAPFaultError
	if !errors.As(err, &fault) {
		return 0
	}
	return fault.Detail.UPnPError.Errorcode
}

func isConflict(err error) bool {
	code := upnpCode(err)
	return code == upnpConflict || code == upnpConflictElsewhere
}

// upnpError is err as others may see it.
func upnpError(err error) error {
	var fault *soap.SOAPFaultError
	if !errors.As(err, &fault) {
		return err
	}
	code := upnpCode(err)
	text := map[int]string{
		upnpNotAuthorized: "not authorized", upnpConflict: "the port is taken", upnpConflictElsewhere: "the port is taken",
		501: "the action failed", 402: "invalid arguments", 728: "no more mappings",
	}[code]
	if text == "" {
		text = "unknown reason"
	}
	return &RefusedError{UPnP, code, text}
}
