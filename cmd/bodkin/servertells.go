package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/sockerr"
	"github.com/bodkin-p2p/bodkin/server"
)

// nextSteps tells who has started a server what to do with its invite, which leads to addresses. These were asked for, or else are what
// this machine knows of itself: that is not enough where a router or a provider translates its address.
func nextSteps(errs io.Writer, addresses []string, asked bool, main, hole []netip.AddrPort) {
	style := styleOf(errs)
	fmt.Fprintf(errs, "next: %s, once on each of your machines; whoever has the invite is let in\n", style.bold("bodkin join INVITE"))
	fmt.Fprintf(errs, "a firewall in front of this machine must let in TCP ports %s\n", portsOf(main, hole))
	if !asked && !slices.ContainsFunc(addresses, isPublic) {
		fmt.Fprintf(errs, "%s the invite leads to %s, where only machines near this one can connect; if it has a public address or name: --advertise it\n",
			style.bad("warning:"), strings.Join(addresses, ", "))
	}
}

// portsOf lists ports, each once.
func portsOf(lists ...[]netip.AddrPort) string {
	var ports []string
	for _, addr := range slices.Concat(lists...) {
		if port := fmt.Sprint(addr.Port()); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return strings.Join(ports, " and ")
}

// isPublic tells whether an address of an invite may be reached from anywhere.
func isPublic(address string) bool {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return true // a name
	}
	ip, carriers := addr.Addr().Unmap(), netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() && !carriers.Contains(ip)
}

// cannotServe explains why the server did not start.
func cannotServe(config server.Config, err error) error {
	address, inUse := addressInUse(err)
	_, port, _ := net.SplitHostPort(address)
	f := &failure{code: exitFailed, err: err, text: plain(err)}
	var op *net.OpError
	switch {
	case inUse && port == "":
		f.hint = "choose another port, or end that program"
	case inUse:
		f.text = fmt.Sprintf("port %s is in use by another program", port)
		f.hint = fmt.Sprintf("choose another with %s, or end that program", flagOf(config, port))
	case errors.Is(err, server.ErrAdvertise):
		f.code, f.text = exitUsage, "--advertise: "+plain(err)
		f.hint = "give what the nodes connect to: a name or an address, with a port where that is not the one of --main"
	case sockerr.IsElsewhere(err):
		f.hint = "this machine itself does not have that address; if a router or a provider translates it, listen on :4000, and --advertise it"
	case errors.Is(err, fs.ErrPermission) && errors.As(err, &op):
		f.hint = "ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE, as the systemd unit gives it"
	case errors.Is(err, fs.ErrPermission):
		f.hint = "the home must be writable by the user who runs this; --home DIR is another"
	default:
		return err
	}
	return f
}

// flagOf tells which flag gave a port.
func flagOf(config server.Config, port string) string {
	has := func(address string) bool {
		_, p, err := net.SplitHostPort(address)
		return err == nil && p == port
	}
	switch {
	case slices.ContainsFunc(config.Hole, has):
		return "--hole"
	case has(config.HTTP):
		return "--http"
	}
	return "--main"
}
