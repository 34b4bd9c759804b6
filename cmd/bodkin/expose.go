package main

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/forward"
)

// socksService is the name of the proxy that up --socks serves.
const socksService = "socks"

// An exposure is something of this machine that others can connect to, under a name in the room.
type exposure struct {
	service string
	address string                // host:port
	socks   []forward.Destination // instead of an address: where a proxy may go
	allow   []string              // names or ids of the peers it is for; empty: all of the room
}

// serve serves the exposure until ctx ends or the listener fails.
func (e exposure) serve(ctx context.Context, listener net.Listener, log *slog.Logger) error {
	if len(e.allow) > 0 {
		listener = forward.Only(listener, func(conn net.Conn) bool { return e.allows(conn.(*bodkin.Conn)) })
	}
	if e.socks != nil {
		return forward.Socks(ctx, listener, e.socks, log)
	}
	return forward.Expose(ctx, listener, e.address, log)
}

func (e exposure) allows(conn *bodkin.Conn) bool {
	return slices.Contains(e.allow, conn.PeerName()) || slices.Contains(e.allow, conn.Peer().String())
}

// parseServices reads the values of --expose, --socks and --allow.
func parseServices(expose, socks, allow []string) ([]exposure, error) {
	all, err := parseExposures(expose)
	if err != nil {
		return nil, err
	}
	proxy := exposure{service: socksService}
	for _, text := range socks {
		d, err := forward.ParseDestination(text)
		if err != nil {
			return nil, misuse("for example --socks 'intranet.example.org:443', --socks '10.0.0.0/8:22' or --socks '*:*'", "--socks %s: %s", text, plain(err))
		}
		proxy.socks = append(proxy.socks, d)
	}
	if proxy.socks != nil {
		all = append(all, proxy)
	}
	for _, text := range allow {
		service, peers, _ := strings.Cut(text, "=")
		i := slices.IndexFunc(all, func(e exposure) bool { return e.service == service })
		if service == "" || peers == "" {
			return nil, misuse("for example --allow ssh=ada,ben", "--allow %s: want NAME=PEER", text)
		}
		if i < 0 {
			return nil, misuse("it limits what --expose or --socks offers", "--allow %s: there is no service %q", text, service)
		}
		for peer := range strings.SplitSeq(peers, ",") {
			if _, err := bodkin.ParseNodeID(peer); err != nil && bodkin.CheckName(peer) != nil {
				return nil, misuse("a peer is given by its name or its id", "--allow %s: %q is no peer", text, peer)
			}
			all[i].allow = append(all[i].allow, peer)
		}
	}
	return all, nil
}

// isPort tells whether text is a number from 0 to 65535, or the name of a port.
func isPort(text string) bool {
	_, err := net.LookupPort("tcp", text)
	return err == nil && text != ""
}

// parseExposures reads the values of --expose.
func parseExposures(texts []string) ([]exposure, error) {
	var all []exposure
	for _, text := range texts {
		service, address, _ := strings.Cut(text, "=")
		_, port, err := net.SplitHostPort(address)
		if service == "" || err != nil || !isPort(port) || port == "0" {
			return nil, misuse("for example --expose ssh=localhost:22", "--expose %s: want NAME=HOST:PORT", text)
		}
		if err := checkService(service); err != nil {
			return nil, err
		}
		all = append(all, exposure{service: service, address: address})
	}
	return all, nil
}
