package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Addresses of the public host: of both servers, and of the STUN server that frp is given.
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

// programs are those that were built, and the servers at work.
type programs struct {
	dir                string
	bodkin, frps, frpc string
	self               string
	verbose            bool
	tunnels            atomic.Int64 // so many have been opened

	public place
	invite string
	server *process // of Bodkin
	frp    *process // frp's server
	stun   *process
}

// build builds all programs into dir.
func build(ctx context.Context, dir string) (*programs, error) {
	p := &programs{dir: dir, bodkin: filepath.Join(dir, "bodkin"), frps: filepath.Join(dir, "frps"), frpc: filepath.Join(dir, "frpc")}
	var err error
	if p.self, err = os.Executable(); err != nil {
		return nil, err
	}
	const frp = "github.com/fatedier/frp/cmd/"
	for _, args := range [][]string{
		{"build", "-o", p.bodkin, "github.com/bodkin-p2p/bodkin/cmd/bodkin"},
		{"build", "-C", "bench/frp", "-trimpath", "-ldflags", "-s -w", "-tags", "frps,noweb", "-o", p.frps, frp + "frps"},
		{"build", "-C", "bench/frp", "-trimpath", "-ldflags", "-s -w", "-tags", "frpc,noweb", "-o", p.frpc, frp + "frpc"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
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
	return errors.Join(p.serveBodkin(ctx), p.serveFRP(ctx))
}

func (p *programs) serveBodkin(ctx context.Context) (err error) {
	if p.server, err = p.start(ctx, p.public, p.bodkin, "--home", p.path("server"), "server", "--advertise", serverAddr); err != nil {
		return err
	}
	line, err := p.server.await(ctx, patience, "invite: ")
	p.invite = strings.TrimPrefix(line, "invite: ")
	return err
}

func (p *programs) serveFRP(ctx context.Context) (err error) {
	if p.frp, err = p.start(ctx, p.public, p.frps, "-c", p.write("frps.toml", "bindPort = 7000\n")); err != nil {
		return err
	}
	_, err = p.frp.await(ctx, patience, "frps started successfully")
	return err
}

func (p *programs) stop() {
	for _, x := range []*process{p.server, p.frp, p.stun} {
		x.stop()
	}
}

func (p *programs) path(name string) string { return filepath.Join(p.dir, name) }

// write writes a file into the folder, and returns its path. What is wrong with the folder shows when a program reads it.
func (p *programs) write(name, text string) string {
	os.WriteFile(p.path(name), []byte(text), 0o600)
	return p.path(name)
}
