package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A contestant is a way to make a port of another machine a local one.
type contestant struct {
	name  string
	maker string
	// open starts both ends: one at far, for what listens on servicePort there, and one at near. It returns when both say that they are
	// ready. The caller must stop the tunnel, also when there is an error.
	open func(ctx context.Context, p *programs, near, far place) (*tunnel, error)
	// pairsOnly tells that it differs from another only in which networks it crosses.
	pairsOnly bool
	// kept tells that its tunnel is there before anybody wants it, and that there is a way around it. It is as fast as another.
	kept bool
}

// A tunnel is both ends at work.
type tunnel struct {
	near, far *process
	enter     string // where near connects to; empty: localPort
}

// entrance is where near connects to.
func (t *tunnel) entrance() string {
	if t.enter == "" {
		return "127.0.0.1:" + localPort
	}
	return t.enter
}

func (t *tunnel) stop() {
	t.near.stop()
	t.far.stop()
}

// contestants are those that are wanted.
func contestants(only string) []contestant {
	all := []contestant{
		{name: "bodkin", maker: bodkin, open: openBodkin()},
		{name: "bodkin --search", maker: bodkin, open: openBodkin("--search"), pairsOnly: true},
		{name: "frp quic", maker: frp, open: openFRP("quic", false)},
		{name: "frp kcp", maker: frp, open: openFRP("kcp", false)},
		{name: "frp kept", maker: frp, open: openFRP("quic", true), kept: true},
		{name: "tailscale", maker: tailscale, open: openTailscale},
	}
	var some []contestant
	for _, c := range all {
		if wanted(c.name, only) {
			some = append(some, c)
		}
	}
	return some
}

// without are the contestants less some.
func without(not func(contestant) bool, only string) []contestant {
	return slices.DeleteFunc(contestants(only), not)
}

// openBodkin lets two machines join that have never met.
func openBodkin(flags ...string) func(context.Context, *programs, place, place) (*tunnel, error) {
	return func(ctx context.Context, p *programs, near, far place) (_ *tunnel, err error) {
		t := &tunnel{}
		n := p.tunnels.Add(1)
		ada, ben := fmt.Sprintf("ada%d", n), fmt.Sprintf("ben%d", n)
		for name, at := range map[string]place{ada: near, ben: far} {
			joining, err := p.start(ctx, at, p.path("bodkin"), "--home", p.path(name), "join", "--name", name, p.invite)
			if err != nil {
				return t, err
			}
			if _, err := joining.await(ctx, patience, "joined"); err != nil {
				return t, err
			}
			<-joining.ended
		}
		up := append([]string{"--home", p.path(ben), "up", "--expose", "echo=127.0.0.1:" + servicePort}, flags...)
		if t.far, err = p.start(ctx, far, p.path("bodkin"), up...); err != nil {
			return t, err
		}
		if _, err = t.far.await(ctx, patience, ben+" is up"); err != nil {
			return t, err
		}
		forward := append([]string{"--home", p.path(ada), "forward", localPort + ":" + ben + ":echo"}, flags...)
		if t.near, err = p.start(ctx, near, p.path("bodkin"), forward...); err != nil {
			return t, err
		}
		_, err = t.near.await(ctx, patience, "leads to")
		return t, err
	}
}

// keptPatience is how long a tunnel may take that is to be there before it is used.
const keptPatience = 15 * time.Second

// handshake is time enough for QUIC's, of whose end frp says nothing. A connection that comes before it makes frp close the tunnel again.
const handshake = time.Second

// openFRP starts a proxy and a visitor. Kept tunnels are opened at once, and have a way around.
func openFRP(protocol string, kept bool) func(context.Context, *programs, place, place) (*tunnel, error) {
	return func(ctx context.Context, p *programs, near, far place) (_ *tunnel, err error) {
		t := &tunnel{}
		n := p.tunnels.Add(1)
		echo := fmt.Sprintf("echo%d", n)
		config := p.write(echo+"-far.toml", frpCommon+proxyOf(echo, "xtcp")+proxyOf(echo+"-around", "stcp"))
		if t.far, err = p.start(ctx, far, p.path("frpc"), "-c", config); err != nil {
			return t, err
		}
		for range 2 {
			if _, err = t.far.await(ctx, patience, "start proxy success"); err != nil {
				return t, err
			}
		}
		visitor := visitorOf(echo, "xtcp", localPort) + fmt.Sprintf("protocol = %q\n", protocol)
		if kept {
			visitor += fmt.Sprintf("keepTunnelOpen = true\nfallbackTo = %q\nfallbackTimeoutMs = 500\n", echo+"-around-visitor") + visitorOf(echo+"-around", "stcp", "-1")
		}
		if t.near, err = p.start(ctx, near, p.path("frpc"), "-c", p.write(echo+"-near.toml", frpCommon+visitor)); err != nil {
			return t, err
		}
		if _, err = t.near.await(ctx, patience, "start visitor success"); err != nil || !kept {
			return t, err
		}
		if _, err := t.near.await(ctx, keptPatience, "establishing nat hole connection successful"); err != nil {
			return t, nil // it has to do without
		}
		return t, pause(ctx, handshake)
	}
}

// frpCommon is what both ends are told.
var frpCommon = strings.Join([]string{
	fmt.Sprintf("serverAddr = %q", serverAddr), "serverPort = 7000",
	fmt.Sprintf("natHoleStunServer = %q", stunAddr+":3478"), "transport.poolCount = 5", "log.disablePrintColor = true", "",
}, "\n")

func proxyOf(name, kind string) string {
	return fmt.Sprintf("[[proxies]]\nname = %q\ntype = %q\nsecretKey = \"abcdefg\"\nlocalIP = \"127.0.0.1\"\nlocalPort = %s\n", name, kind, servicePort)
}

func visitorOf(name, kind, port string) string {
	return fmt.Sprintf("[[visitors]]\nname = %q\ntype = %q\nserverName = %q\nsecretKey = \"abcdefg\"\nbindAddr = \"127.0.0.1\"\nbindPort = %s\n", name+"-visitor", kind, name, port)
}
