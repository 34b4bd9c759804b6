package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestSSHGoesOnWhileThePathChanges breaks the path under a login in each way. The shell notices nothing of it.
func TestSSHGoesOnWhileThePathChanges(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ssh", "ssh-keygen", "sshd")
	o.exposeSSH()
	o.loginThrough([]fault{
		{"reset", o.reset},
		{"NAT of ada rebooted", func() { check(t, o.natA.Reboot()) }},
		{"NAT of ben rebooted", func() { check(t, o.natB.Reboot()) }},
		{"new address outside", func() { check(t, o.natB.SetAddr("198.51.100.77")) }},
		{"ada moved to another NAT", func() { check(t, o.ada.Move(o.lab.NAT("cafe", natlab.PortRestrictedCone()))) }},
	})
}

// TestSSHGoesOnWithoutTheServer breaks it when only a third machine of the room can introduce the two.
func TestSSHGoesOnWithoutTheServer(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ssh", "ssh-keygen", "sshd")
	o.exposeSSH()
	cam := o.lab.Host("cam", natlab.At("203.0.113.20"), natlab.Delay(2*time.Millisecond))
	o.join(cam, "cam")
	mesh := onHost(t, cam, "^cam is up", "--home", o.path("cam"), "up", "--mesh")
	check(t, mesh.await("ada linked, direct"))
	check(t, mesh.await("ben linked, direct"))
	o.loginThrough([]fault{
		{"server killed", func() { check(t, o.server.cmd.Process.Kill()); <-o.server.ended }},
		{"reset", o.reset},
		{"NAT of ben rebooted", func() { check(t, o.natB.Reboot()) }},
	})
}

// A fault breaks a path.
type fault struct {
	name string
	do   func()
}

// loginThrough logs in by ssh, and has the shell answer after each fault.
func (o *office) loginThrough(faults []fault) {
	o.t.Helper()
	shell := o.login()
	shell.say("echo $((40+2)) at first", "^42 at first$")
	for i, fault := range faults {
		fault.do()
		began := time.Now()
		shell.say(fmt.Sprintf("echo $((%d+1)) times", i), fmt.Sprintf("^%d times$", i+1))
		o.t.Logf("%s: the shell answers after %v", fault.name, time.Since(began).Round(time.Millisecond))
	}
	shell.logout()
}

// TestRsyncGoesOnWhileThePathChanges breaks the path three times under one file, which arrives as it was.
func TestRsyncGoesOnWhileThePathChanges(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ssh", "ssh-keygen", "sshd", "rsync")
	o.exposeSSH()
	sent := make([]byte, 12<<20) // rsync tells once a second how far it is: four times or so
	rand.Read(sent)
	check(t, os.WriteFile(o.path("sent"), sent, 0o644))

	rsync := o.start(o.ada, `\b([1-9]\d|100)%`, o.tools["rsync"], "--bwlimit=3m", "--info=progress2", "--outbuf=N", "-e", o.remoteShell(), o.path("sent"), "ben:"+o.path("got"))
	check(t, o.natA.Reboot())
	check(t, rsync.await(`\b([2-9]\d|100)%`))
	o.reset()
	check(t, rsync.await(`\b([5-9]\d|100)%`))
	check(t, o.natB.SetAddr("198.51.100.77"))
	check(t, rsync.await(`\b100%`))
	rsync.stdin.Close()
	<-rsync.ended
	if got, err := os.ReadFile(o.path("got")); !bytes.Equal(got, sent) || !rsync.cmd.ProcessState.Success() {
		t.Errorf("rsync: %v; %d of %d bytes came, %v", rsync.cmd.ProcessState, len(got), len(sent), err)
	}
}

// exposeSSH has both machines up, and an ssh daemon at ben.
func (o *office) exposeSSH() {
	o.t.Helper()
	o.serveSSH()
	onHost(o.t, o.ben, "^ben is up", "--home", o.path("ben"), "up", "--expose", "ssh=127.0.0.1:2022")
	onHost(o.t, o.ada, "^ada is up", "--home", o.path("ada"), "up")
}

// reset sends both ends of the connection between the machines a reset in the other's name, until they dial anew: one that is not in
// sequence, because something is on its way, has no effect.
func (o *office) reset() {
	o.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, _, before := o.connection(); ; {
		near, far, syns := o.connection()
		if syns > before {
			return
		}
		o.lab.Reset(near, far)
		o.lab.Reset(far, near)
		select {
		case <-tick.C:
		case <-deadline.C:
			o.t.Fatalf("%v after resets between %v and %v nobody has dialled anew", patience, near, far)
		}
	}
}

// connection is the two outside ends of the connection between the machines that carried a packet last, and how many SYNs they have
// sent each other.
func (o *office) connection() (near, far netip.AddrPort, syns int64) {
	behindNAT := map[string]bool{o.natA.Name(): true, o.natB.Name(): true} // and no others
	var newest time.Time
	for _, f := range o.lab.Flows() {
		if f.Network != "internet" || f.Protocol != "tcp" || !behindNAT[f.From] || !behindNAT[f.To] {
			continue
		}
		syns += f.SYNs
		if f.To == o.natB.Name() && f.Last.After(newest) {
			newest, near, far = f.Last, f.Src, f.Dst
		}
	}
	return near, far, syns
}
