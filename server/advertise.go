package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// ErrNeverStarted tells that a home has no server in it yet, so that invites could not say where it is.
var ErrNeverStarted = errors.New("no server has been started with this home")

// ErrNoRoom tells that a server has no room of a name.
var ErrNoRoom = errors.New("there is no such room")

// ErrAdvertise tells that a host of Config.Advertise cannot stand in an invite.
var ErrAdvertise = errors.New("cannot stand in an invite")

// Invite returns the invite (a bodkin.Invite) to a room of the server whose home this is, and makes the room if it is new; a running
// server takes it up by itself. It returns ErrNeverStarted if no server has run there.
func Invite(home, room string) (identity.Invite, error) {
	return inviteTo(home, func(r *rooms) (identity.Room, error) { return r.open(room) })
}

// RenewInvite gives a room another secret, and returns the invite to it: those from before are void. A running server notices within
// half a minute, and refuses the nodes that came by them, which end. It returns ErrNeverStarted if no server has run there, and ErrNoRoom if
// there is no such room.
func RenewInvite(home, room string) (identity.Invite, error) {
	return inviteTo(home, func(r *rooms) (identity.Room, error) { return r.renew(room) })
}

func inviteTo(home string, open func(*rooms) (identity.Room, error)) (identity.Invite, error) {
	servers, err := readAdvertised(home)
	if err != nil {
		return identity.Invite{}, err
	}
	key, err := identity.LoadOrCreateKey(filepath.Join(home, keyFile))
	if err != nil {
		return identity.Invite{}, err
	}
	r := &rooms{folder: filepath.Join(home, roomsFolder)}
	opened, err := open(r)
	if err != nil {
		return identity.Invite{}, err
	}
	return identity.Invite{Servers: servers, Server: key.ServerID(), Room: opened}, nil
}

// advertised decides which addresses invites name: the hosts asked for, with the main port where they have none, or
// else what the main listeners are bound to.
func advertised(hosts []string, main []netip.AddrPort) ([]string, error) {
	var servers []string
	for _, asked := range hosts {
		host := asked
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(int(main[0].Port())))
		}
		if err := identity.CheckServerAddr(host); err != nil {
			return nil, fmt.Errorf("%q %w: %w", asked, ErrAdvertise, err)
		}
		servers = append(servers, host)
	}
	if len(servers) > identity.MaxServers {
		return nil, fmt.Errorf("%d hosts %w: at most %d", len(servers), ErrAdvertise, identity.MaxServers)
	}
	if len(servers) > 0 {
		return servers, nil
	}
	local, err := localAddrs()
	if err != nil {
		return nil, err
	}
	if servers = reachable(main, local); len(servers) == 0 {
		return nil, errors.New("this machine has no address that others could reach; say one with --advertise HOST")
	}
	return servers[:min(len(servers), identity.MaxServers)], nil
}

// reachable is the addresses at which listeners bound to main answer on a machine with local addresses, each once. Behind
// the IPv6 wildcard they answer IPv4 too, but not the other way round.
func reachable(main []netip.AddrPort, local []netip.Addr) []string {
	var servers []string
	for _, addr := range main {
		ips := []netip.Addr{addr.Addr()}
		if addr.Addr().IsUnspecified() {
			ips = local
		}
		for _, ip := range ips {
			server := netip.AddrPortFrom(ip, addr.Port()).String()
			if addr.Addr().Is4() && ip.Is6() || slices.Contains(servers, server) {
				continue
			}
			servers = append(servers, server)
		}
	}
	return servers
}

// observersMax is how many hole listeners nodes are told of.
const observersMax = 8

// observers is where the hole listeners are reached: at their own addresses, or behind the wildcard at all that this machine has or
// that invites name.
func observers(hole []netip.AddrPort, advertised []string) ([]netip.AddrPort, error) {
	local, err := localAddrs()
	if err != nil {
		return nil, err
	}
	for _, server := range advertised {
		if addr, err := netip.ParseAddrPort(server); err == nil && !slices.Contains(local, addr.Addr()) {
			local = append(local, addr.Addr())
		}
	}
	var observers []netip.AddrPort
	seen := map[netip.Addr]bool{}
	for _, server := range reachable(hole, local) {
		addr := netip.MustParseAddrPort(server)
		if !seen[addr.Addr()] && len(observers) < observersMax {
			seen[addr.Addr()] = true
			observers = append(observers, addr)
		}
	}
	return observers, nil
}

// localAddrs is this machine's addresses, public ones first; loopback only if there is nothing else.
func localAddrs() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	var found, loopback []netip.Addr
	for _, addr := range addrs {
		ipnet, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(ipnet.IP)
		switch ip = ip.Unmap(); {
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		case ip.IsGlobalUnicast():
			found = append(found, ip)
		}
	}
	if len(found) == 0 {
		found = loopback
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return cmp.Compare(preference(a), preference(b)) })
	return found, nil
}

// preference orders addresses for strangers to connect to: public before private, IPv4 before IPv6 as more nodes have it.
func preference(ip netip.Addr) int {
	rank := 0
	if ip.IsPrivate() {
		rank += 2
	}
	if ip.Is6() {
		rank++
	}
	return rank
}

// writeAdvertised remembers what invites say, for Invite, which has no listeners to ask.
func writeAdvertised(home string, servers []string) error {
	return identity.WriteFile(filepath.Join(home, advertisedFile), []byte(strings.Join(servers, "\n")+"\n"))
}

func readAdvertised(home string) ([]string, error) {
	text, err := identity.ReadFile(filepath.Join(home, advertisedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNeverStarted, home)
	}
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}
