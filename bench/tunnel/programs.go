package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Addresses of the public host: of all servers, and of the STUN server that frp is given.
const (
	serverAddr = "203.0.113.10"
	stunAddr   = "203.0.113.11"
	stunOther  = "203.0.113.12"
)

// Ports on the hosts themselves: of the echo service, and of the tunnel to it.
const (
	servicePort = "7777"
	localPort   = "9000"
)

// A maker is whoever made a program that is compared.
type maker struct {
	name  string
	build [][]string // arguments of go, less the one for where the program goes, which comes last
	serve func(*programs, context.Context) (*process, error)
}

const (
	frpPackage = "github.com/fatedier/frp/cmd/"
	bodkin     = "bodkin"
	frp        = "frp"
	tailscale  = "tailscale"
)

func makers() []maker {
	return []maker{
		{bodkin, [][]string{{"build", "github.com/bodkin-p2p/bodkin/cmd/bodkin"}}, (*programs).serveBodkin},
		{frp, [][]string{
			{"build", "-C", "bench/frp", "-trimpath", "-ldflags", "-s -w", "-tags", "frps,noweb", frpPackage + "frps"},
			{"build", "-C", "bench/frp", "-trimpath", "-ldflags", "-s -w", "-tags", "frpc,noweb", frpPackage + "frpc"},
		}, (*programs).serveFRP},
		{tailscale, [][]string{
			{"build", "-C", "bench/tailscale", "github.com/juanfont/headscale/cmd/headscale"},
			{"build", "-C", "bench/tailscale", "tailscale.com/cmd/tailscale"},
			{"build", "-C", "bench/tailscale", "tailscale.com/cmd/tailscaled"},
		}, (*programs).serveTailscale},
	}
}

// makersOf are those of some contestants.
func makersOf(all []contestant) []maker {
	return slices.DeleteFunc(makers(), func(m maker) bool {
		return !slices.ContainsFunc(all, func(c contestant) bool { return c.maker == m.name })
	})
}

// programs are those that were built, and the servers at work.
type programs struct {
	dir     string // with all of them, under their own names
	self    string
	verbose bool
	makers  []maker
	tunnels atomic.Int64 // so many have been opened

	public  place
	servers map[string]*process // by maker
	stun    *process
	invite  string // of Bodkin
	authKey string // of Tailscale
}

// build builds the programs of some contestants into dir.
func build(ctx context.Context, dir string, all []contestant) (*programs, error) {
	p := &programs{dir: dir, servers: map[string]*process{}}
	var err error
	if p.self, err = os.Executable(); err != nil {
		return nil, err
	}
	p.makers = makersOf(all)
	for _, m := range p.makers {
		for _, args := range m.build {
			last := len(args) - 1
			cmd := exec.CommandContext(ctx, "go", append(slices.Clone(args[:last]), "-o", p.path(filepath.Base(args[last])), args[last])...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
			}
		}
	}
	return p, nil
}

// serve starts everything that is public. The caller must call stop.
func (p *programs) serve(ctx context.Context, public place) (err error) {
	p.public = public
	if p.stun, err = p.start(ctx, public, p.self, roleCommand, "stun", stunAddr+":3478", stunOther+":3479"); err != nil {
		return err
	}
	for _, m := range p.makers {
		if p.servers[m.name], err = m.serve(p, ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *programs) serveBodkin(ctx context.Context) (*process, error) {
	server, err := p.start(ctx, p.public, p.path("bodkin"), "--home", p.path("server"), "server", "--advertise", serverAddr)
	if err != nil {
		return nil, err
	}
	line, err := server.await(ctx, patience, "invite: ")
	p.invite = strings.TrimPrefix(line, "invite: ")
	return server, err
}

func (p *programs) serveFRP(ctx context.Context) (*process, error) {
	server, err := p.start(ctx, p.public, p.path("frps"), "-c", p.write("frps.toml", "bindPort = 7000\n"))
	if err != nil {
		return nil, err
	}
	_, err = server.await(ctx, patience, "frps started successfully")
	return server, err
}

func (p *programs) stop() {
	for _, server := range p.servers {
		server.stop()
	}
	p.stun.stop()
}

func (p *programs) path(name string) string { return filepath.Join(p.dir, name) }

// write writes a file into the folder, and returns its path. What is wrong with the folder shows when a program reads it.
func (p *programs) write(name, text string) string {
	os.WriteFile(p.path(name), []byte(text), 0o600)
	return p.path(name)
}
