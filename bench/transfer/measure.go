package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	sshPort   = "2022"
	crocRelay = "9009"
	crocLocal = "9109" // of the sender itself
	// mostTime is how long one transfer may take.
	mostTime = 15 * time.Minute
)

// A tool sends path, and tells what that cost. What it sent is then in to.
type tool struct {
	name     string
	treeOnly bool
	send     func(ctx context.Context, path, to string) (cost, error)
}

// A cost is how long a transfer took, and how long processors worked for it on both sides. On a busy machine the second is what
// can be compared.
type cost struct{ time, cpu time.Duration }

// measure lets the tools take turns.
func (st *stage) measure(ctx context.Context, o options) error {
	large, tree := st.path("large"), st.path("tree")
	if err := errors.Join(writeRandom(large, o.size<<20), makeTree(tree, o.files, 1<<10)); err != nil {
		return err
	}
	tools, err := st.tools(ctx, o.only)
	if err != nil {
		return err
	}
	costs := map[string][]cost{}
	key := func(t tool, path string) string { return t.name + " " + filepath.Base(path) }
	for round := range o.rounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)] // nobody is always the first
			for _, path := range []string{large, tree} {
				if t.treeOnly && path != tree {
					continue
				}
				took, err := st.turn(ctx, t, path)
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
				costs[key(t, path)] = append(costs[key(t, path)], took)
				fmt.Printf("round %d  %-11s %-6s %8.2f s, CPU %6.2f s\n", round+1, t.name, filepath.Base(path), took.time.Seconds(), took.cpu.Seconds())
			}
		}
	}
	fmt.Printf("\nmedians of %d rounds, %s\n| tool | %d MiB, s | MB/s | CPU s | %d files, s | files/s | CPU s |\n|---|---|---|---|---|---|---|\n", o.rounds, st.where(), o.size, o.files)
	for _, t := range tools {
		fmt.Printf("| %s | %s | %s |\n", t.name, cells(costs[key(t, large)], float64(o.size<<20)/1e6), cells(costs[key(t, tree)], float64(o.files)))
	}
	return nil
}

// cells are the medians of a tool's costs of sending so much.
func cells(all []cost, much float64) string {
	if len(all) == 0 {
		return "– | – | –"
	}
	median := func(of func(cost) time.Duration) float64 {
		var some []time.Duration
		for _, c := range all {
			some = append(some, of(c))
		}
		slices.Sort(some)
		return some[len(some)/2].Seconds()
	}
	took := median(func(c cost) time.Duration { return c.time })
	return fmt.Sprintf("%.2f | %.0f | %.1f", took, much/took, median(func(c cost) time.Duration { return c.cpu }))
}

func (st *stage) where() string {
	if st.same() {
		return "both on one host"
	}
	return "two hosts of natlab"
}

// turn has a tool send path once, and compares.
func (st *stage) turn(ctx context.Context, t tool, path string) (cost, error) {
	to := st.path("received")
	if err := os.Mkdir(to, 0o755); err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(to)
	took, err := t.send(ctx, path, to)
	if err != nil {
		return cost{}, err
	}
	return took, equal(ctx, path, filepath.Join(to, filepath.Base(path)))
}

// tools are those that are wanted, and there.
func (st *stage) tools(ctx context.Context, only string) ([]tool, error) {
	wanted := func(name string) bool { return only == "" || slices.Contains(strings.Split(only, ","), name) }
	var all []tool
	if wanted("bodkin") {
		all = append(all, tool{name: "bodkin", send: st.sendByBodkin})
	}
	if wanted("croc") {
		if croc, err := st.buildCroc(ctx); err != nil {
			fmt.Println("left out: croc:", err)
		} else {
			all = append(all, tool{name: "croc", send: croc.send}, tool{name: "croc --zip", treeOnly: true, send: croc.sendZipped})
		}
	}
	for _, name := range []string{"scp", "rsync"} {
		if !wanted(name) {
			continue
		}
		if send, err := st.bySSH(ctx, name); err != nil {
			fmt.Printf("left out: %s: %v\n", name, err)
		} else {
			all = append(all, tool{name: name, send: send})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("none of %q is there", only)
	}
	return all, nil
}

func (st *stage) sendByBodkin(ctx context.Context, path, to string) (cost, error) {
	receiver, err := st.start(ctx, st.ben, st.bodkin, "--home", st.path("home-ben"), "receive", "--dir", to)
	if err != nil {
		return cost{}, err
	}
	if _, err := receiver.await("ready"); err != nil {
		return cost{}, err
	}
	began := time.Now()
	cpu, err := st.do(ctx, st.ada, st.bodkin, "--home", st.path("home-ada"), "send", path, "--to", "ben")
	if err != nil {
		return cost{}, err
	}
	took := time.Since(began)
	err = receiver.wait(patience)
	return cost{took, cpu + receiver.cpu()}, err
}

// A croc is one that was built, with its relay.
type croc struct {
	*stage
	program string
}

// buildCroc builds croc and starts its relay.
func (st *stage) buildCroc(ctx context.Context) (*croc, error) {
	c := &croc{st, st.path("croc")}
	build := exec.CommandContext(ctx, "go", "build", "-C", "bench/croc", "-o", c.program, "github.com/schollz/croc/v10")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	relay, err := st.start(ctx, st.s, c.program, "relay", "--host", "203.0.113.10", "--port", crocRelay)
	if err != nil {
		return nil, err
	}
	_, err = relay.await("relay")
	return c, err
}

func (c *croc) send(ctx context.Context, path, to string) (cost, error) {
	return c.transfer(ctx, path, to)
}

// sendZipped has the sender make one file of all, before it says that it is ready.
func (c *croc) sendZipped(ctx context.Context, path, to string) (cost, error) {
	return c.transfer(ctx, path, to, "--zip")
}

func (c *croc) transfer(ctx context.Context, path, to string, flags ...string) (cost, error) {
	const code = "CROC_SECRET=4242-one-two-three"
	home := []string{code, "HOME=" + c.dir, "CROC_CONFIG_DIR=" + c.path("croc.d")}
	common := []string{"--yes", "--no-compress", "--ignore-stdin", "--disable-clipboard", "--relay", "203.0.113.10:" + crocRelay}
	command := append(append(slices.Clone(common), "send", "--port", crocLocal), append(flags, path)...)
	sender, err := c.startWith(ctx, c.ada, home, c.program, command...)
	if err != nil {
		return cost{}, err
	}
	defer sender.kill()
	if _, err := sender.awaitFor("croc", mostTime); err != nil { // what to type at the other end, once it has hashed everything
		return cost{}, err
	}
	began := time.Now()
	receiver, err := c.startWith(ctx, c.ben, home, c.program, append(common, "--ip", "203.0.113.20:"+crocLocal, "--out", to)...)
	if err != nil {
		return cost{}, err
	}
	if err := errors.Join(receiver.wait(mostTime), sender.wait(mostTime)); err != nil {
		return cost{}, err
	}
	return cost{time.Since(began), receiver.cpu() + sender.cpu()}, nil
}

// bySSH starts sshd, and returns what sends by a program over ssh, each with what is known to make it fast: a cipher that
// processors have instructions for, whole files, nothing compressed, and files written where they stay.
func (st *stage) bySSH(ctx context.Context, program string) (func(context.Context, string, string) (cost, error), error) {
	for _, name := range []string{program, "ssh", "ssh-keygen", "/usr/sbin/sshd"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, err
		}
	}
	if err := st.startSSH(ctx); err != nil {
		return nil, err
	}
	options := []string{"-F", "none", "-i", st.path("user_key"), "-c", "aes128-gcm@openssh.com", "-o", "Compression=no", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
	return func(ctx context.Context, path, to string) (cost, error) {
		command := append(append([]string{"scp"}, options...), "-q", "-r", "-P", sshPort)
		if program == "rsync" {
			command = []string{"rsync", "-a", "--whole-file", "--inplace", "--no-compress", "-e", "ssh -p " + sshPort + " " + strings.Join(options, " ")}
		}
		before, err := childTime(ctx, st.daemon)
		if err != nil {
			return cost{}, err
		}
		began := time.Now()
		cpu, err := st.do(ctx, st.ada, command[0], append(command[1:], path, st.benAddress()+":"+to+"/")...)
		if err != nil {
			return cost{}, err
		}
		took := time.Since(began)
		after, err := childTime(ctx, st.daemon)
		return cost{took, cpu + after - before}, err
	}, nil
}

func (st *stage) same() bool { return st.ada == st.ben }

func (st *stage) benAddress() string {
	if st.same() {
		return "127.0.0.1"
	}
	return "203.0.113.30"
}

// startSSH starts sshd on ben, once.
func (st *stage) startSSH(ctx context.Context) error {
	if _, err := os.Stat(st.path("sshd_config")); err == nil {
		return nil
	}
	for _, name := range []string{"host_key", "user_key"} {
		if _, err := st.do(ctx, st.ben, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", st.path(name)); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("AuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nUseDNS no\nSubsystem sftp internal-sftp\n", st.path("user_key.pub"))
	if err := errors.Join(os.WriteFile(st.path("sshd_config"), []byte(config), 0o600), os.MkdirAll("/run/sshd", 0o755)); err != nil {
		return err
	}
	daemon, err := st.start(ctx, st.ben, "/usr/sbin/sshd", "-D", "-e", "-f", st.path("sshd_config"), "-h", st.path("host_key"), "-p", sshPort)
	if err != nil {
		return err
	}
	st.daemon = daemon
	_, err = daemon.await("Server listening")
	return err
}
