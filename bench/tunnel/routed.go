package main

import (
	"context"
	"errors"
	"time"

	"github.com/bodkin-p2p/bodkin/bench/netns"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// A path is two places, what is between them, and a public one.
type path struct {
	near, far, public place
	address           string // of far
	close             func()
}

// newRouted builds a path through a router as bench/peers/speed does: namespaces of this process's own, veth pairs, and a masquerade of nftables
// in front of near. A fourth namespace holds the servers.
func newRouted(ctx context.Context) (*path, error) {
	spaces, err := netns.New(ctx, "near", "router", "far", "server")
	if err != nil {
		return nil, err
	}
	err = spaces.Run(ctx,
		"ip -n $near link add wire type veth peer name inside netns $router",
		"ip -n $far link add wire type veth peer name outside netns $router",
		"ip -n $server link add wire type veth peer name servers netns $router",
		"ip -n $near addr add 192.168.77.2/24 dev wire",
		"ip -n $router addr add 192.168.77.1/24 dev inside",
		"ip -n $router addr add 198.51.100.1/24 dev outside",
		"ip -n $far addr add 198.51.100.2/24 dev wire",
		"ip -n $router addr add 203.0.113.1/24 dev servers",
		"ip -n $server addr add "+serverAddr+"/24 dev wire",
		"ip -n $server addr add "+stunAddr+"/24 dev wire",
		"ip -n $server addr add "+stunOther+"/24 dev wire",
		"ip -n $near link set lo up", "ip -n $far link set lo up", "ip -n $server link set lo up",
		"ip -n $near link set wire up", "ip -n $far link set wire up", "ip -n $server link set wire up",
		"ip -n $router link set inside up", "ip -n $router link set outside up", "ip -n $router link set servers up",
		"ip -n $near route add default via 192.168.77.1",
		"ip -n $far route add default via 198.51.100.1",
		"ip -n $server route add default via 203.0.113.1",
		"ip netns exec $router sysctl -q -w net.ipv4.ip_forward=1",
		"ip netns exec $router nft add table ip nat",
		"ip netns exec $router nft add chain ip nat post { type nat hook postrouting priority srcnat ; }",
		"ip netns exec $router nft add rule ip nat post iifname inside masquerade",
	)
	if err != nil {
		spaces.Close()
		return nil, err
	}
	in := func(space string) place {
		return func(ctx context.Context, name string, args ...string) prepared {
			c := spaces.Command(ctx, space, name, args...)
			return prepared{c, c.Start}
		}
	}
	return &path{near: in("near"), far: in("far"), public: in("server"), address: "198.51.100.2", close: spaces.Close}, nil
}

// newDistant builds two public hosts of natlab, and the servers', with 25 ms each way between any two.
func newDistant(context.Context) (*path, error) {
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	const each = 25 * time.Millisecond
	server := lab.Host("server", natlab.At(serverAddr, stunAddr, stunOther))
	near, far := lab.Host("near"), lab.Host("far")
	err = errors.Join(lab.SetDelay(near, far, each), lab.SetDelay(near, server, each), lab.SetDelay(far, server, each), lab.Err())
	if err != nil {
		lab.Close()
		return nil, err
	}
	return &path{near: onHost(near), far: onHost(far), public: onHost(server), address: far.Addr().String(), close: func() { lab.Close() }}, nil
}
