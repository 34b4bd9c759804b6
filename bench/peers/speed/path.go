package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// newRouted builds the path through a router: namespaces of this process's own, veth pairs, and a masquerade of nftables.
func newRouted(ctx context.Context) (*path, error) {
	name := fmt.Sprintf("bodkin-speed-%d-", os.Getpid())
	near, router, far := name+"near", name+"router", name+"far"
	var made []string
	undo := func() {
		for _, space := range made {
			exec.Command("ip", "netns", "delete", space).Run() // links go with their namespaces
		}
	}
	do := func(line string) error {
		words := strings.Fields(line)
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
		return nil
	}
	for _, space := range []string{near, router, far} {
		if err := do("ip netns add " + space); err != nil {
			undo()
			return nil, errors.Join(err, errors.New("the router needs root"))
		}
		made = append(made, space)
	}
	for _, line := range []string{
		"ip -n " + near + " link add wire type veth peer name inside netns " + router,
		"ip -n " + far + " link add wire type veth peer name outside netns " + router,
		"ip -n " + near + " addr add 192.168.77.2/24 dev wire",
		"ip -n " + router + " addr add 192.168.77.1/24 dev inside",
		"ip -n " + router + " addr add 198.51.100.1/24 dev outside",
		"ip -n " + far + " addr add 198.51.100.2/24 dev wire",
		"ip -n " + near + " link set wire up",
		"ip -n " + router + " link set inside up",
		"ip -n " + router + " link set outside up",
		"ip -n " + far + " link set wire up",
		"ip -n " + near + " route add default via 192.168.77.1",
		"ip netns exec " + router + " sysctl -q -w net.ipv4.ip_forward=1",
		"ip netns exec " + router + " nft add table ip nat",
		"ip netns exec " + router + " nft add chain ip nat post { type nat hook postrouting priority srcnat ; }",
		"ip netns exec " + router + " nft add rule ip nat post oifname outside masquerade",
	} {
		if err := do(line); err != nil {
			undo()
			return nil, err
		}
	}
	in := func(space string) func(context.Context, io.Writer, ...string) command {
		return func(ctx context.Context, to io.Writer, args ...string) command {
			return prepared(exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", space}, args...)...), to)
		}
	}
	return &path{near: in(near), far: in(far), address: "198.51.100.2", close: undo}, nil
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
