package portmap

import (
	"context"
	"net/http"
	"net/url"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
)

// maxConnections bounds how many connections to the outside of one gateway are looked at.
const maxConnections = 4

// A wanConnection is what the services of all versions have in common.
type wanConnection interface {
	GetExternalIPAddressCtx(ctx context.Context) (addr string, err error)
	AddPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string, internalPort uint16,
		internalClient string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) (internalPort uint16,
		internalClient string, enabled bool, description string, lease uint32, err error)
}

// An anyPortMapper is a service of version 2, which finds a free port by itself.
type anyPortMapper interface {
	AddAnyPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string, internalPort uint16,
		internalClient string, enabled bool, description string, lease uint32) (reserved uint16, err error)
}

// wanConnections are the services of a device that map ports, newest version first. Their requests go through client.
func wanConnections(root *goupnp.RootDevice, at *url.URL, client http.Client) []wanConnection {
	var all []wanConnection
	add := func(c wanConnection, s goupnp.ServiceClient) {
		if len(all) < maxConnections {
			s.SOAPClient.HTTPClient = client
			all = append(all, c)
		}
	}
	// An error only says that there is no such service.
	v2, _ := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, at)
	for _, c := range v2 {
		add(c, c.ServiceClient)
	}
	v1, _ := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, at)
	for _, c := range v1 {
		add(c, c.ServiceClient)
	}
	ppp, _ := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, at)
	for _, c := range ppp {
		add(c, c.ServiceClient)
	}
	return all
}
