package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

const (
	// firstConnections are forwarded before anything is counted, so that what is made once is there.
	firstConnections = 200
	// idleDescriptors is what a node without connections may have: some 20, and not one for each of the first connections.
	idleDescriptors = 40
	// atOnce is how many connections are open at the same time.
	atOnce = 50
	// What a node holds more or less from one moment to the next without any connection: talks with its server, buffers between two
	// collections of garbage.
	slackDescriptors, slackGoroutines, slackMemory = 8, 20, 32 << 20
)

// held is what a process holds.
type held struct{ descriptors, goroutines, memory int }

// forwarders are bodkin forward on ada and bodkin up --expose on ben, and a server that says back what it hears.
type forwarders struct {
	forward, expose *process
	port            string // of ada that leads there
	stop            func() // the server
}

// connections forwards many connections, and compares what the two processes hold before and after. A process tells its goroutines by
// dying of SIGQUIT; so those before are of another two processes, which do the first ones alone.
func (st *stage) connections(ctx context.Context, n int) (report string, err error) {
	began := time.Now()
	before, _, err := st.forwarded(ctx, 0)
	if err != nil {
		return "", err
	}
	after, first, err := st.forwarded(ctx, n)
	if err != nil {
		return "", err
	}
	report = fmt.Sprintf("%d connections opened and closed, %d at once, in %.1f s\n\n| process | descriptors | goroutines | resident MiB |\n|---|---|---|---|\n", n, atOnce, time.Since(began).Seconds())
	for i, name := range []string{"bodkin forward", "bodkin up --expose"} {
		first[i].goroutines = before[i].goroutines
		report += fmt.Sprintf("| `%s` | %d, then %d | %d, then %d | %.1f, then %.1f |\n", name, first[i].descriptors, after[i].descriptors,
			first[i].goroutines, after[i].goroutines, float64(first[i].memory)/(1<<20), float64(after[i].memory)/(1<<20))
		if more := after[i].goroutines - first[i].goroutines; more > slackGoroutines {
			err = errors.Join(err, fmt.Errorf("%s has %d goroutines more", name, more))
		}
		if more := after[i].memory - first[i].memory; more > slackMemory {
			err = errors.Join(err, fmt.Errorf("%s has %d MiB more", name, more>>20))
		}
	}
	return report, err
}

// forwarded starts the two processes, forwards the first connections and then n, and returns what they held between and in the end.
func (st *stage) forwarded(ctx context.Context, n int) (last, first [2]held, err error) {
	f, err := st.startForwarders(ctx)
	if err != nil {
		return last, first, err
	}
	defer f.stop()
	both := [2]*process{f.forward, f.expose}
	if err := f.use(ctx, st.ada, firstConnections); err != nil {
		return last, first, err
	}
	for i, p := range both {
		if first[i], err = p.settled(ctx, idleDescriptors); err != nil {
			return last, first, err
		}
	}
	if err := f.use(ctx, st.ada, n); err != nil {
		return last, first, err
	}
	for i, p := range both {
		if last[i], err = p.settled(ctx, first[i].descriptors+slackDescriptors); err != nil {
			return last, first, err
		}
		if last[i].goroutines, err = p.quit(); err != nil {
			return last, first, err
		}
	}
	return last, first, nil
}

func (st *stage) startForwarders(ctx context.Context) (*forwarders, error) {
	echo, err := st.ben.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	f := &forwarders{}
	f.stop = func() {
		for _, p := range []*process{f.forward, f.expose} {
			if p != nil {
				p.kill() // which ends the connections to the server, too
			}
		}
		echo.Close()
		serving.Wait()
	}
	if f.expose, err = st.start(ctx, st.ben, st.bodkin, "--home", st.path("home-ben"), "up", "--expose", "echo="+echo.Addr().String()); err == nil {
		_, err = f.expose.await("ben is up")
	}
	if err == nil {
		f.forward, err = st.start(ctx, st.ada, st.bodkin, "--home", st.path("home-ada"), "forward", "0:ben:echo")
	}
	if err == nil {
		var line string
		line, err = f.forward.await("leads to echo of ben")
		f.port, _, _ = strings.Cut(line, " ")
	}
	if err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

// use makes n connections, some at once, which end in four ways.
func (f *forwarders) use(ctx context.Context, from *natlab.Host, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var users sync.WaitGroup
	for range atOnce {
		users.Go(func() {
			for i := range numbers {
				if err := f.once(ctx, from, i); err != nil {
					cancel(fmt.Errorf("connection %d: %w", i, err))
				}
			}
		})
	}
	for i := range n {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	users.Wait()
	return context.Cause(ctx)
}

// once has 1 KiB said back by a connection, which the client then half-closes, closes, resets, or closes with something unread.
func (f *forwarders) once(ctx context.Context, from *natlab.Host, i int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", f.port)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	said, heard := make([]byte, 1<<10), make([]byte, 1<<10)
	rand.Read(said)
	if _, err := c.Write(said); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, heard); err != nil {
		return err
	}
	if !bytes.Equal(said, heard) {
		return errors.New("what came back is not what was said")
	}
	tcp := c.(*net.TCPConn)
	switch i % 4 {
	case 0:
		if err := tcp.CloseWrite(); err != nil {
			return err
		}
		if _, err := c.Read(heard); err != io.EOF {
			return fmt.Errorf("after the end: %w", err)
		}
	case 1: // as it is
	case 2:
		return tcp.SetLinger(0)
	case 3:
		_, err := c.Write(said)
		return err
	}
	return nil
}

// settled waits until the process has most descriptors at the most, and returns what it holds.
func (p *process) settled(ctx context.Context, most int) (held, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
		if err != nil {
			return held{}, err
		}
		if len(files) <= most {
			memory, err := p.resident()
			return held{descriptors: len(files), memory: memory}, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return held{}, fmt.Errorf("%s has %d descriptors after %v, want %d at the most", p.name, len(files), patience, most)
		}
	}
}

// resident is the bytes of memory that the process has (proc(5), VmRSS).
func (p *process) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, errors.New("no VmRSS in /proc")
	}
	kib, err := strconv.Atoi(fields[0])
	return kib << 10, err
}

// quit ends the process by SIGQUIT, of which Go programs print their goroutines, and returns how many there are.
func (p *process) quit() (goroutines int, err error) {
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return 0, err
	}
	select {
	case <-p.read:
	case <-time.After(patience):
		return 0, fmt.Errorf("%s runs on after SIGQUIT", p.name)
	}
	if n := int(p.goroutines.Load()); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%s printed no goroutines", p.name)
}
