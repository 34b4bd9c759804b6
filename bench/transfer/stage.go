package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// patience is how long anything may take to be ready.
const patience = time.Minute

// A stage is a server and two machines, ada and ben, who have joined a room.
type stage struct {
	lab         *natlab.Lab
	s, ada, ben *natlab.Host
	dir         string
	bodkin      string
	running     []*process
	daemon      *process // sshd on ben; nil until it is needed
}

// newStage builds bodkin, the lab with link on ben's side, and the room.
func newStage(ctx context.Context, dir string, link natlab.Link, same bool) (*stage, error) {
	st := &stage{dir: dir, bodkin: filepath.Join(dir, "bodkin")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", st.bodkin, "github.com/bodkin-p2p/bodkin/cmd/bodkin").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build bodkin: %w\n%s", err, out)
	}
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	st.lab = lab
	st.s = lab.Host("s", natlab.At("203.0.113.10"))
	st.ada = lab.Host("ada", natlab.At("203.0.113.20"))
	st.ben = st.ada
	if !same {
		st.ben = lab.Host("ben", natlab.At("203.0.113.30"), natlab.Via(link))
	}
	if err := lab.Err(); err != nil {
		st.close()
		return nil, err
	}
	if err := st.room(ctx); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

// room starts the server, and lets both join.
func (st *stage) room(ctx context.Context) error {
	server, err := st.start(ctx, st.s, st.bodkin, "--home", st.path("s"), "server")
	if err != nil {
		return err
	}
	line, err := server.await("invite: ")
	if err != nil {
		return err
	}
	invite := strings.TrimPrefix(line, "invite: ")
	for name, host := range map[string]*natlab.Host{"ada": st.ada, "ben": st.ben} {
		if _, err := st.do(ctx, host, st.bodkin, "--home", st.path("home-"+name), "join", "--name", name, invite); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) path(name string) string { return filepath.Join(st.dir, name) }

// close ends all processes and the lab.
func (st *stage) close() {
	for _, p := range st.running {
		p.kill()
	}
	st.lab.Close()
}

// do runs a program to its end, and tells how long processors worked for it and its children.
func (st *stage) do(ctx context.Context, host *natlab.Host, name string, args ...string) (cpu time.Duration, err error) {
	cmd := host.Command(ctx, name, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out.String())
	}
	return cpuTime(cmd.ProcessState), nil
}

func cpuTime(s *os.ProcessState) time.Duration { return s.UserTime() + s.SystemTime() }

// A process is one that runs beside others.
type process struct {
	name  string
	cmd   *natlab.Cmd
	lines chan string   // it has printed, until nobody reads
	ended chan struct{} // closed at its end; err is set then
	err   error

	goroutines atomic.Int64  // lines that begin one, in what a Go program prints as it dies
	read       chan struct{} // closed when all of that has been read
}

// start starts a program.
func (st *stage) start(ctx context.Context, host *natlab.Host, name string, args ...string) (*process, error) {
	return st.startWith(ctx, host, nil, name, args...)
}

func (st *stage) startWith(ctx context.Context, host *natlab.Host, env []string, name string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(name) + " " + strings.Join(args, " "), cmd: host.Command(ctx, name, args...), lines: make(chan string, 1000), ended: make(chan struct{}), read: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), append(env, "BODKIN_NO_PORT_MAPPING=1", "GOTRACEBACK=all")...)
	p.cmd.Dir = st.dir
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = p.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		return nil, err
	}
	st.running = append(st.running, p)
	go func() {
		defer close(p.read)
		defer read.Close()
		text := bufio.NewScanner(read)
		text.Buffer(nil, 64<<20) // a progress bar is one long line
		for text.Scan() {
			if strings.HasPrefix(text.Text(), "goroutine ") {
				p.goroutines.Add(1)
			}
			select {
			case p.lines <- text.Text():
			default: // nobody wants so many
			}
		}
		io.Copy(io.Discard, read)
	}()
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// await waits for a line with text in it.
func (p *process) await(text string) (string, error) { return p.awaitFor(text, patience) }

func (p *process) awaitFor(text string, most time.Duration) (string, error) {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	var said []string
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return line, nil
			}
			said = append(said, line)
		case <-deadline.C:
			return "", fmt.Errorf("%s said nothing like %q, but %q", p.name, text, said)
		}
	}
}

// wait waits for the end.
func (p *process) wait(most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-p.ended:
		if p.err != nil {
			return fmt.Errorf("%s: %w", p.name, p.err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s runs on after %v", p.name, most)
	}
}

// cpu is how long processors worked for a process that has ended, and its children.
func (p *process) cpu() time.Duration { return cpuTime(p.cmd.ProcessState) }

// childTime is how long processors worked for the children of a process, once all of them have ended. Linux counts it in
// hundredths of a second (proc(5), cutime and cstime).
func childTime(ctx context.Context, p *process) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
		children, err := os.ReadFile(fmt.Sprintf("%stask/%d/children", proc, p.cmd.Process.Pid))
		if err != nil {
			return 0, err
		}
		if len(bytes.TrimSpace(children)) == 0 {
			stat, err := os.ReadFile(proc + "stat")
			if err != nil {
				return 0, err
			}
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on
			var user, system int
			if _, err := fmt.Sscan(fields[13]+" "+fields[14], &user, &system); err != nil {
				return 0, err
			}
			return time.Duration(user+system) * 10 * time.Millisecond, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%s has children that don't end", p.name)
		}
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// done tells whether it has ended, and well.
func (p *process) done() (ended bool, err error) {
	select {
	case <-p.ended:
		return true, p.err
	default:
		return false, nil
	}
}

var errDiffers = errors.New("what arrived is not what was sent")

// equal compares two trees or files.
func equal(ctx context.Context, a, b string) error {
	if out, err := exec.CommandContext(ctx, "diff", "-r", a, b).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %v\n%.500s", errDiffers, err, out)
	}
	return nil
}
