package main

import (
	"context"
	"io"
	"time"

	"github.com/bodkin-p2p/bodkin/bench/netns"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// newRouted builds the path through a router: namespaces of this process's own, veth pairs, and a masquerade of nftables.
func newRouted(ctx context.Context) (*path, error) {
	spaces, err := netns.New(ctx, "near", "router", "far")
	if err != nil {
		return nil, err
	}
	err = spaces.Run(ctx,
		"ip -n $near link add wire type veth peer name inside netns $router",
		"ip -n $far link add wire type veth peer name outside netns $router",
		"ip -n $near addr add 192.168.77.2/24 dev wire",
		"ip -n $router addr add 192.168.77.1/24 dev inside",
		"ip -n $router addr add 198.51.100.1/24 dev outside",
		"ip -n $far addr add 198.51.100.2/24 dev wire",
		"ip -n $near link set wire up",
		"ip -n $router link set inside up",
		"ip -n $router link set outside up",
		"ip -n $far link set wire up",
		"ip -n $near route add default via 192.168.77.1",
		"ip netns exec $router sysctl -q -w net.ipv4.ip_forward=1",
		"ip netns exec $router nft add table ip nat",
		"ip netns exec $router nft add chain ip nat post { type nat hook postrouting priority srcnat ; }",
		"ip netns exec $router nft add rule ip nat post oifname outside masquerade",
	)
	if err != nil {
		spaces.Close()
		return nil, err
	}
	in := func(space string) func(context.Context, io.Writer, ...string) command {
		return func(ctx context.Context, to io.Writer, args ...string) command {
			return prepared(spaces.Command(ctx, space, args[0], args[1:]...), to)
		}
	}
	return &path{near: in("near"), far: in("far"), address: "198.51.100.2", close: spaces.Close}, nil
}

// newDistant builds two hosts of natlab with 50 ms each way between them.
func newDistant(context.Context) (*path, error) {
	if err := natlab.Enter(); err != nil {
		return nil, err
	}
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	near, far := lab.Host("near"), lab.Host("far")
	lab.SetDelay(near, far, 50*time.Millisecond)
	if err := lab.Err(); err != nil {
		lab.Close()
		return nil, err
	}
	on := func(h *natlab.Host) func(context.Context, io.Writer, ...string) command {
		return func(ctx context.Context, to io.Writer, args ...string) command {
			c := h.Command(ctx, args[0], args[1:]...)
			prepared(c.Cmd, to)
			return c
		}
	}
	return &path{near: on(near), far: on(far), address: far.Addr().String(), close: func() { lab.Close() }}, nil
}
