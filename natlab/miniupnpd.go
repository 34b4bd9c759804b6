package natlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// PortMapping is which protocols a router offers to those inside who want a port forwarded. The zero value offers none.
type PortMapping struct {
	UPnP   bool // UPnP IGD, version 2
	UPnPv1 bool // UPnP IGD, version 1 only
	PCP    bool // RFC 6887
	NATPMP bool // RFC 6886
}

// rules are the chains that the daemon fills. It serves PCP and NAT-PMP on one port; they are told apart by the version, the first
// byte, so that there can be one without the other.
func (o PortMapping) rules() string {
	only := ""
	switch {
	case o.PCP && !o.NATPMP:
		only = "udp dport 5351 @th,64,8 0 drop"
	case o.NATPMP && !o.PCP:
		only = "udp dport 5351 @th,64,8 2 drop"
	}
	return `
table inet miniupnpd {
	chain input { type filter hook input priority -5; ` + only + `; }
	chain forward { type filter hook forward priority -5; jump miniupnpd_forward; }
	chain prerouting { type nat hook prerouting priority dstnat; jump miniupnpd_prerouting; }
	chain postrouting { type nat hook postrouting priority srcnat - 5; jump miniupnpd_postrouting; }
	chain miniupnpd_forward { }
	chain miniupnpd_prerouting { }
	chain miniupnpd_postrouting { }
}
`
}

// A Miniupnpd is the daemon of most home routers, at work on a kernel NAT.
type Miniupnpd struct {
	nat     *NAT
	config  string // file
	path    string // of the program
	listens string // what it says when it listens

	mu  sync.Mutex
	cmd *Cmd
	out bytes.Buffer
}

// miniupnpdStart bounds how long the daemon may take to listen.
const miniupnpdStart = 10 * time.Second

// FindMiniupnpd returns the path of the miniupnpd program. The error wraps ErrUnavailable and tells which package to install.
func FindMiniupnpd() (string, error) {
	for _, name := range []string{"miniupnpd", "/usr/sbin/miniupnpd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no miniupnpd program; on Debian: apt-get install miniupnpd-nftables", ErrUnavailable)
}

// Miniupnpd starts the daemon on a NAT made by KernelNAT, and waits until it listens. It refuses to work on a NAT whose
// address is reserved, as all are that a lab chooses: give it one with At. Files are written to dir. More lines for the
// daemon's configuration may be given.
func (n *NAT) Miniupnpd(dir string, offer PortMapping, lines ...string) (*Miniupnpd, error) {
	path, err := FindMiniupnpd()
	if err != nil {
		return nil, err
	}
	d := &Miniupnpd{nat: n, path: path, config: filepath.Join(dir, n.name+"-miniupnpd.conf"), listens: "HTTP listening on port"}
	if offer.PCP || offer.NATPMP {
		d.listens = "Listening for NAT-PMP/PCP traffic"
	}
	config := []string{
		"ext_ifname=wan", "listening_ip=lan", "port=0", "uuid=b0d41a6e-0000-4000-8000-000000000000",
		"enable_upnp=" + yesNo(offer.UPnP || offer.UPnPv1), "enable_natpmp=" + yesNo(offer.PCP || offer.NATPMP),
		"force_igd_desc_v1=" + yesNo(offer.UPnPv1), "secure_mode=yes", "system_uptime=no", "notify_interval=900",
		"upnp_table_name=miniupnpd", "upnp_nat_table_name=miniupnpd", "upnp_forward_chain=miniupnpd_forward",
		"upnp_nat_chain=miniupnpd_prerouting", "upnp_nat_postrouting_chain=miniupnpd_postrouting",
	}
	config = append(append(config, lines...), "allow 1024-65535 0.0.0.0/0 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535", "")
	if err := os.WriteFile(d.config, []byte(strings.Join(config, "\n")), 0o600); err != nil {
		return nil, err
	}
	nft, err := findNFT()
	if err != nil {
		return nil, err
	}
	load := n.Router().Command(context.Background(), nft, "-f", "-")
	load.Stdin = strings.NewReader(offer.rules())
	if out, err := load.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("load nft rules: %w: %s", err, out)
	}
	return d, d.Start()
}

// Start starts the daemon again after Stop. What it had mapped before it knows no more.
func (d *Miniupnpd) Start() error {
	cmd := d.nat.Router().Command(context.Background(), d.path, "-d", "-f", d.config, "-P", d.config+".pid")
	ready := make(chan struct{})
	watch := &readiness{daemon: d, ready: sync.OnceFunc(func() { close(ready) })}
	cmd.Stdout, cmd.Stderr = watch, watch
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd = cmd
	timeout := time.NewTimer(miniupnpdStart)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-timeout.C:
		d.Kill()
		return fmt.Errorf("miniupnpd does not listen: %s", d.Output())
	}
}

// Stop ends the daemon in order: it removes its mappings.
func (d *Miniupnpd) Stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	d.cmd.Wait() // how it ends does not matter
	return nil
}

// Kill ends the daemon as a loss of power does, and removes its rules.
func (d *Miniupnpd) Kill() error {
	if err := d.cmd.Process.Kill(); err != nil {
		return err
	}
	d.cmd.Wait()
	nft, err := findNFT()
	if err != nil {
		return err
	}
	var errs []error
	for _, chain := range []string{"miniupnpd_forward", "miniupnpd_prerouting", "miniupnpd_postrouting"} {
		errs = append(errs, d.nat.Router().Command(context.Background(), nft, "flush", "chain", "inet", "miniupnpd", chain).Run())
	}
	return errors.Join(errs...)
}

// Forwarded is the rules by which ports are forwarded at the moment, in nft's words, a line each.
func (d *Miniupnpd) Forwarded() ([]string, error) {
	nft, err := findNFT()
	if err != nil {
		return nil, err
	}
	out, err := d.nat.Router().Command(context.Background(), nft, "list", "chain", "inet", "miniupnpd", "miniupnpd_prerouting").Output()
	var rules []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "dnat") {
			rules = append(rules, strings.TrimSpace(line))
		}
	}
	return rules, err
}

// Output is what the daemon has said.
func (d *Miniupnpd) Output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

// A readiness keeps what a daemon says and notices when it has opened its last socket.
type readiness struct {
	daemon *Miniupnpd
	ready  func()
}

// Write implements io.Writer.
func (r *readiness) Write(b []byte) (int, error) {
	d := r.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Write(b)
	if bytes.Contains(d.out.Bytes(), []byte(d.listens)) {
		r.ready()
	}
	return len(b), nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// TestMiniupnpd is Miniupnpd for a test, which it ends if that fails. Where the program is missing it skips the test, or fails it
// with NATLAB=require in the environment.
func TestMiniupnpd(t TestingTB, n *NAT, offer PortMapping, lines ...string) *Miniupnpd {
	t.Helper()
	d, err := n.Miniupnpd(t.TempDir(), offer, lines...)
	switch {
	case errors.Is(err, ErrUnavailable) && !required():
		t.Skipf("natlab: %v", err)
	case err != nil:
		t.Fatalf("natlab: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("miniupnpd on %s: %s", n.name, d.Output())
		}
	})
	return d
}

// TestingTB is the part of testing.TB that TestMiniupnpd needs.
type TestingTB interface {
	TB
	TempDir() string
}
