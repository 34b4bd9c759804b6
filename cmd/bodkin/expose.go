package main

import (
	"net"
	"slices"
	"strings"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// socksService is the name of the proxy that up --socks serves.
const socksService = "socks"

// An exposure is something of this machine that others can connect to, under a name in the room. One of these is set.
type exposure struct {
	service string
	address string                // host:port
	socks   []forward.Destination // where a proxy may go
	places  []string              // the same as it was written
	dir     string                // where what is sent goes

	allow []string // names or ids of the peers it is for; empty: all of the room
}

// allows tells whether the exposure is for the peer of a stream.
func (e exposure) allows(stream control.Stream) bool {
	return len(e.allow) == 0 || slices.Contains(e.allow, stream.PeerName()) || slices.Contains(e.allow, stream.Peer().String())
}

// what tells, for people, where connections go.
func (e exposure) what() string {
	switch {
	case e.socks != nil:
		return "proxy to " + strings.Join(e.places, ", ")
	case e.dir != "":
		return "files into " + e.dir
	}
	return e.address
}

// exposureOf makes an exposure of a TCP service, if it can be one.
func exposureOf(service, address string) (exposure, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) || port == "0" {
		return exposure{}, misuse("for example localhost:22", "want HOST:PORT, not %q", address)
	}
	return exposure{service: service, address: address}, checkService(service)
}

// parseExpose reads a value of --expose.
func parseExpose(text string) (exposure, error) {
	service, address, _ := strings.Cut(text, "=")
	if service != "" {
		if e, err := exposureOf(service, address); err == nil {
			return e, nil
		}
		if err := checkService(service); err != nil {
			return exposure{}, err
		}
	}
	return exposure{}, misuse("for example --expose ssh=localhost:22", "--expose %s: want NAME=HOST:PORT", text)
}

// parseAllow reads a value of --allow.
func parseAllow(text string) (service string, peers []string, err error) {
	service, list, _ := strings.Cut(text, "=")
	if service == "" || list == "" {
		return "", nil, misuse("for example --allow ssh=ada,ben", "--allow %s: want NAME=PEER", text)
	}
	peers = strings.Split(list, ",")
	for _, peer := range peers {
		if !isPeer(peer) {
			return "", nil, misuse("a peer is given by its name or its id", "--allow %s: %q is no peer", text, peer)
		}
	}
	return service, peers, nil
}

// isPeer tells whether text is a name or an id. Unlike a peer that is dialled, it is compared as it is.
func isPeer(text string) bool {
	_, err := bodkin.ParseNodeID(text)
	return err == nil || bodkin.CheckName(text) == nil
}

// isPort tells whether text is a number from 0 to 65535, or the name of a port.
func isPort(text string) bool {
	_, err := net.LookupPort("tcp", text)
	return err == nil && text != ""
}

// isAddress tells whether text is HOST:PORT, whose host may be missing.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	return err == nil && isPort(port)
}
