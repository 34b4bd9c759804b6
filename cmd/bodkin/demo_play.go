package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
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
	file   *os.File // that is sent
	invite string
	actors []*actor
	result demoResult
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// play is the story from the beginning to the end.
func (d *demo) play(ctx context.Context) error {
	began := time.Now()
	d.story.begin()
	d.result.Stage = d.stage.name()
	server, err := d.startServer(ctx)
	if err != nil {
		return err
	}
	for _, who := range []string{"ada", "ben"} {
		if err := d.startNode(ctx, who); err != nil {
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

// startServer starts the server and keeps its invite.
func (d *demo) startServer(ctx context.Context) (*actor, error) {
	addr := d.stage.serverAddr()
	main, hole := addr+":4000", addr+":8000"
	if d.stage.name() == "loopback" { // where something else may use these ports
		main, hole = addr+":0", addr+":0"
	}
	// It must not relay: on a machine that is busy with other things a relayed path might be there first.
	server, err := d.start(ctx, "server", "server", "--json", "--main", main, "--hole", hole, "--advertise", addr, "--relay=false")
	if err != nil {
		return nil, err
	}
	var up struct {
		Invite     string
		Main, Hole []netip.AddrPort
	}
	if err := server.line(&up); err != nil {
		return nil, err
	}
	d.story.step("the server is up at %s: main port %d, hole port %d (pid %d)", addr, up.Main[0].Port(), up.Hole[0].Port(), server.cmd.Process.Pid)
	d.invite = up.Invite
	return server, nil
}

// startNode has a node join and come up.
func (d *demo) startNode(ctx context.Context, who string) error {
	join, err := d.start(ctx, who, "join", "--name", who)
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
	started := time.Now()
	ada, err := d.startWith(ctx, d.file, "ada", "connect", "ben", "file")
	if err != nil {
		return err
	}
	received, err := d.receive(ben.stdout, server)
	if err := errors.Join(err, ada.wait(), ben.wait()); err != nil {
		return err
	}
	d.result.Seconds = time.Since(started).Seconds()

	d.result.SHA256 = received
	sent, err := hashFile(d.file)
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

func hashFile(file *os.File) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
