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

// A tool sends path, and takes as long as it says. What it sent is then in to.
type tool struct {
	name string
	send func(ctx context.Context, path, to string) (time.Duration, error)
}

// measure lets the tools take turns.
func (st *stage) measure(ctx context.Context, o options) error {
	large, tree := st.path("large"), st.path("tree")
	if err := errors.Join(writeRandom(large, o.size<<20), makeTree(tree, o.files, 1<<10)); err != nil {
		return err
	}
	tools := st.tools(ctx)
	times := map[string][]time.Duration{}
	key := func(t tool, path string) string { return t.name + " " + filepath.Base(path) }
	for round := range o.rounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)] // nobody is always the first
			for _, path := range []string{large, tree} {
				took, err := st.turn(ctx, t, path)
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
				times[key(t, path)] = append(times[key(t, path)], took)
				fmt.Printf("round %d  %-7s %-6s %8.2f s\n", round+1, t.name, filepath.Base(path), took.Seconds())
			}
		}
	}
	fmt.Printf("\nmedians of %d rounds, %s\n| tool | %d MiB, s | MB/s | %d files, s | files/s |\n|---|---|---|---|---|\n", o.rounds, st.where(), o.size, o.files)
	for _, t := range tools {
		l, m := median(times[key(t, large)]), median(times[key(t, tree)])
		fmt.Printf("| %s | %.2f | %.0f | %.2f | %.0f |\n", t.name, l.Seconds(), float64(o.size<<20)/1e6/l.Seconds(), m.Seconds(), float64(o.files)/m.Seconds())
	}
	return nil
}

func (st *stage) where() string {
	if st.same() {
		return "both on one host"
	}
	return "two hosts of natlab"
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// turn has a tool send path once, and compares.
func (st *stage) turn(ctx context.Context, t tool, path string) (time.Duration, error) {
	to := st.path("received")
	if err := os.Mkdir(to, 0o755); err != nil {
		return 0, err
	}
	defer os.RemoveAll(to)
	took, err := t.send(ctx, path, to)
	if err != nil {
		return 0, err
	}
	return took, equal(ctx, path, filepath.Join(to, filepath.Base(path)))
}

// tools are those that are there.
func (st *stage) tools(ctx context.Context) []tool {
	all := []tool{{"bodkin", st.sendByBodkin}}
	if croc, err := st.buildCroc(ctx); err != nil {
		fmt.Println("left out: croc:", err)
	} else {
		all = append(all, tool{"croc", croc})
	}
	for _, name := range []string{"scp", "rsync"} {
		if send, err := st.bySSH(ctx, name); err != nil {
			fmt.Printf("left out: %s: %v\n", name, err)
		} else {
			all = append(all, tool{name, send})
		}
	}
	return all
}

func (st *stage) sendByBodkin(ctx context.Context, path, to string) (time.Duration, error) {
	receiver, err := st.start(ctx, st.ben, st.bodkin, "--home", st.path("home-ben"), "receive", "--dir", to)
	if err != nil {
		return 0, err
	}
	if _, err := receiver.await("ready"); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := st.do(ctx, st.ada, st.bodkin, "--home", st.path("home-ada"), "send", path, "--to", "ben"); err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, receiver.wait(patience)
}

// buildCroc builds croc and starts its relay.
func (st *stage) buildCroc(ctx context.Context) (func(context.Context, string, string) (time.Duration, error), error) {
	croc := st.path("croc")
	build := exec.CommandContext(ctx, "go", "build", "-C", "bench/croc", "-o", croc, "github.com/schollz/croc/v10")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	relay, err := st.start(ctx, st.s, croc, "relay", "--host", "203.0.113.10", "--port", crocRelay)
	if err != nil {
		return nil, err
	}
	if _, err := relay.await("relay"); err != nil {
		return nil, err
	}
	const code = "CROC_SECRET=4242-one-two-three"
	home := []string{code, "HOME=" + st.dir, "CROC_CONFIG_DIR=" + st.path("croc.d")}
	return func(ctx context.Context, path, to string) (time.Duration, error) {
		common := []string{"--yes", "--no-compress", "--ignore-stdin", "--disable-clipboard", "--relay", "203.0.113.10:" + crocRelay}
		sender, err := st.startWith(ctx, st.ada, home, croc, append(common, "send", "--port", crocLocal, path)...)
		if err != nil {
			return 0, err
		}
		defer sender.kill()
		if _, err := sender.awaitFor("croc", mostTime); err != nil { // what to type at the other end, once it has hashed everything
			return 0, err
		}
		began := time.Now()
		receiver, err := st.startWith(ctx, st.ben, home, croc, append(common, "--ip", "203.0.113.20:"+crocLocal, "--out", to)...)
		if err != nil {
			return 0, err
		}
		if err := errors.Join(receiver.wait(mostTime), sender.wait(mostTime)); err != nil {
			return 0, err
		}
		return time.Since(began), nil
	}, nil
}

// bySSH starts sshd, and returns what sends by a program over ssh.
func (st *stage) bySSH(ctx context.Context, program string) (func(context.Context, string, string) (time.Duration, error), error) {
	for _, name := range []string{program, "ssh", "ssh-keygen", "/usr/sbin/sshd"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, err
		}
	}
	if err := st.startSSH(ctx); err != nil {
		return nil, err
	}
	options := []string{"-F", "none", "-i", st.path("user_key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
	return func(ctx context.Context, path, to string) (time.Duration, error) {
		began := time.Now()
		var err error
		if program == "scp" {
			err = st.do(ctx, st.ada, "scp", append(slices.Clone(options), "-q", "-r", "-P", sshPort, path, st.benAddress()+":"+to+"/")...)
		} else {
			err = st.do(ctx, st.ada, "rsync", "-a", "-e", "ssh -p "+sshPort+" "+strings.Join(options, " "), path, st.benAddress()+":"+to+"/")
		}
		return time.Since(began), err
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
		if err := st.do(ctx, st.ben, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", st.path(name)); err != nil {
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
	_, err = daemon.await("Server listening")
	return err
}
