package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// endGrace is how long processes may take to end when the demo does.
const endGrace = 3 * time.Second

// A demo is one run of the story.
type demo struct {
	story  *story
	stage  stage
	exe    string
	dir    string
	actors []*actor
	result demoResult
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// play is the story from the beginning to the end.
func (d *demo) play(ctx context.Context) error {
	began := time.Now()
	d.story.begin()
	d.result.Stage = d.stage.name()
	server, invite, err := d.startServer(ctx)
	if err != nil {
		return err
	}
	for _, who := range []string{"ada", "ben"} {
		if err := d.startNode(ctx, who, invite); err != nil {
			return err
		}
	}
	if err := d.dial(ctx); err != nil {
		return err
	}
	if err := d.send(ctx, server); err != nil {
		return err
	}
	if err := d.after(ctx); err != nil {
		return err
	}
	d.result.TotalSeconds = time.Since(began).Seconds()
	d.story.end(d.result)
	return nil
}

// startServer starts the server and returns its invite.
func (d *demo) startServer(ctx context.Context) (*actor, string, error) {
	addr := d.stage.serverAddr()
	main, hole := addr+":4000", addr+":8000"
	if d.stage.name() == "loopback" { // where something else may use these ports
		main, hole = addr+":0", addr+":0"
	}
	server, err := d.start(ctx, "server", "server", "--json", "--main", main, "--hole", hole, "--advertise", addr)
	if err != nil {
		return nil, "", err
	}
	var up struct {
		Invite     string
		Main, Hole []netip.AddrPort
	}
	if err := server.line(&up); err != nil {
		return nil, "", err
	}
	d.story.step("the server is up at %s: main port %d, hole port %d (pid %d)", addr, up.Main[0].Port(), up.Hole[0].Port(), server.cmd.Process.Pid)
	return server, up.Invite, nil
}

// startNode has a node join and come up.
func (d *demo) startNode(ctx context.Context, who, invite string) error {
	join, err := d.start(ctx, who, "join", "--name", who, invite)
	if err != nil {
		return err
	}
	if err := join.wait(); err != nil {
		return err
	}
	node, err := d.start(ctx, who, "up", "--json")
	if err != nil {
		return err
	}
	var up upEvent
	if err := node.line(&up); err != nil {
		return err
	}
	go io.Copy(io.Discard, node.stdout) // later events; ends with the process
	d.story.step("%s is up: port %d, seen by the server at %s (pid %d)", who, up.Port, up.Reflexive, node.cmd.Process.Pid)
	return nil
}

// dial has ada connect to ben, and tells the times.
func (d *demo) dial(ctx context.Context) error {
	d.story.step("ada asks the server for ben")
	ping, err := d.start(ctx, "ada", "ping", "ben", "--json", "--direct-only")
	if err != nil {
		return err
	}
	if err := ping.line(&d.result.Dial); err != nil {
		return err
	}
	if err := ping.wait(); err != nil {
		return err
	}
	p := d.result.Dial
	d.story.mark(p.Introduced, "introduced: both are told in the same tick where the other is")
	d.story.mark(p.FirstSYN, "ada's first SYN leaves (%s in %s)", plural(p.SYNs, "SYN"), plural(p.Rounds, "round"))
	d.story.mark(p.Connected, "TCP is up, %s to %s", p.Path, p.Remote)
	d.story.mark(p.FirstByte, "keys are proven: the first protected byte can go")
	if floor := d.stage.floor(); floor > 0 {
		ms := millis(floor)
		d.result.FloorMillis = &ms
		d.story.note("These delays allow no less than %.0f ms. Round trip ada-ben: %.1f ms.", ms, p.RTT)
	} else {
		d.story.note("Round trip ada-ben: %.1f ms.", p.RTT)
	}
	return nil
}

// send has ada send ben the file, and kills the server when half of it has arrived.
func (d *demo) send(ctx context.Context, server *actor) error {
	d.story.step("ada sends ben a file of %s: %s, repeated", byteCount(uint64(d.result.Bytes)), d.result.File)
	d.story.note("ben$ bodkin listen file > received      ada$ bodkin connect ben file < file")
	ben, err := d.start(ctx, "ben", "listen", "file")
	if err != nil {
		return err
	}
	if err := ben.says("listening"); err != nil {
		return err
	}
	file, err := os.Open(d.path("file"))
	if err != nil {
		return err
	}
	defer file.Close()
	started := time.Now()
	ada, err := d.startWith(ctx, file, "ada", "connect", "ben", "file")
	if err != nil {
		return err
	}
	received, err := d.receive(ben.stdout, server)
	if err := errors.Join(err, ada.wait(), ben.wait()); err != nil {
		return err
	}
	d.result.Seconds = time.Since(started).Seconds()

	d.result.SHA256 = received
	sent, err := hashFile(d.path("file"))
	if err != nil {
		return err
	}
	if d.result.Verified = sent == received; !d.result.Verified {
		return fail("please report this", "what ben got is not what ada sent: SHA-256 %s, want %s", received, sent)
	}
	d.story.step("ben has all of it, after %.1f s (%s/s)", d.result.Seconds, byteCount(uint64(float64(d.result.Bytes)/d.result.Seconds)))
	d.story.note("SHA-256 at both ends: %s...", received[:32])
	return nil
}

// receive reads the file as it comes out at ben's, and returns its hash.
func (d *demo) receive(from io.Reader, server *actor) (hash string, err error) {
	sum := sha256.New()
	bar := d.story.progress(d.result.Bytes)
	buffer := make([]byte, 256<<10)
	for total := int64(0); ; {
		n, err := from.Read(buffer)
		total += int64(n)
		sum.Write(buffer[:n])
		bar.update(total)
		if d.result.KilledAt == 0 && total >= d.result.Bytes/2 {
			bar.rest(total)
			if err := server.kill(); err != nil {
				return "", err
			}
			d.result.KilledAt = total
			d.story.step("the server is killed (SIGKILL), half-way")
		}
		if err != nil {
			bar.rest(total)
		}
		if err == io.EOF {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// after shows that the two are still connected, and where the bytes went.
func (d *demo) after(ctx context.Context) error {
	ping, err := d.start(ctx, "ada", "ping", "ben", "--json")
	if err != nil {
		return err
	}
	var still pingResult
	if err := errors.Join(ping.line(&still), ping.wait()); err != nil {
		return err
	}
	d.story.step("with no server, ada still reaches ben: %s, round trip %.1f ms", still.Path, still.RTT)
	if t := d.stage.traffic(); t != nil {
		d.result.BytesDirect, d.result.BytesServer = &t.direct, &t.viaServer
		d.story.note("Seen on the wires of the lab, in both directions:")
		d.story.note("  between the two NATs         %8s", byteCount(uint64(t.direct)))
		d.story.note("  between them and the server  %8s", byteCount(uint64(t.viaServer)))
	}
	return nil
}

// end stops all processes that still run.
func (d *demo) end() {
	for _, a := range d.actors {
		terminate(a.cmd.Process)
	}
	for _, a := range d.actors {
		select {
		case <-a.ended:
		case <-time.After(endGrace):
			a.cmd.Process.Kill()
			<-a.ended
		}
	}
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// An actor is a bodkin process of the demo.
type actor struct {
	name   string // "ada: bodkin up"
	cmd    *exec.Cmd
	stdout *bufio.Reader
	heard  transcript    // its stderr
	ended  chan struct{} // closed when the process has ended; err is set then
	err    error
}

func (d *demo) start(ctx context.Context, who string, args ...string) (*actor, error) {
	return d.startWith(ctx, nil, who, args...)
}

// startWith starts a bodkin process of who, in who's own home, with a file as its stdin.
func (d *demo) startWith(ctx context.Context, stdin *os.File, who string, args ...string) (*actor, error) {
	a := &actor{name: who + ": bodkin " + args[0], ended: make(chan struct{})}
	a.heard.changed = make(chan struct{})
	a.cmd = exec.CommandContext(ctx, d.exe, append([]string{"--home", d.path(who)}, args...)...)
	a.cmd.Cancel = func() error { return terminate(a.cmd.Process) }
	a.cmd.WaitDelay = endGrace
	a.cmd.Stderr = &a.heard
	if stdin != nil {
		a.cmd.Stdin = stdin
	}
	read, write, err := os.Pipe() // not StdoutPipe: Wait would close it before all is read
	if err != nil {
		return nil, err
	}
	a.cmd.Stdout, a.stdout = write, bufio.NewReader(read)
	err = d.stage.start(ctx, who, a.cmd)
	write.Close()
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("start %s: %w", a.name, err)
	}
	d.actors = append(d.actors, a)
	go func() {
		defer close(a.ended)
		a.err = a.cmd.Wait()
	}()
	return a, nil
}

// line decodes the next line of stdout.
func (a *actor) line(into any) error {
	text, err := a.stdout.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err == nil {
		return nil
	}
	if failed := a.wait(); failed != nil {
		return failed
	}
	return fmt.Errorf("%s: %w", a.name, err)
}

// wait waits for the end of the process.
func (a *actor) wait() error {
	<-a.ended
	if a.err == nil {
		return nil
	}
	return fail("", "%s failed (%v), saying:\n%s", a.name, a.err, a.heard.tail())
}

// says waits until the process has said something on stderr.
func (a *actor) says(text string) error {
	for {
		said, changed := a.heard.contains(text)
		if said {
			return nil
		}
		select {
		case <-changed:
		case <-a.ended:
			if said, _ := a.heard.contains(text); said {
				return nil
			}
			return errors.Join(fmt.Errorf("%s ended early", a.name), a.wait())
		}
	}
}

// kill kills the process, and waits until it is gone.
func (a *actor) kill() error {
	err := a.cmd.Process.Kill()
	<-a.ended
	return err
}

// A transcript is what a process has said on stderr.
type transcript struct {
	mu      sync.Mutex // guards the following
	text    bytes.Buffer
	changed chan struct{} // closed and replaced at each change
}

const maxTranscript = 64 << 10

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text.Len() < maxTranscript {
		t.text.Write(p)
	}
	close(t.changed)
	t.changed = make(chan struct{})
	return len(p), nil
}

func (t *transcript) contains(text string) (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.text.Bytes(), []byte(text)), t.changed
}

// tail is the last few lines.
func (t *transcript) tail() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.text.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
