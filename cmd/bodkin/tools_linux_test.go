package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestOtherProgramsOverBodkin runs what people have: ssh, rsync, redis-cli and curl, each behind a NAT of its own, and kills the
// server meanwhile.
func TestOtherProgramsOverBodkin(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "ssh", "ssh-keygen", "sshd", "rsync", "redis-cli", "redis-server", "curl")
	tools, server := o.tools, o.server
	o.serveSSH()
	o.start(o.ben, "Ready to accept connections", tools["redis-server"], "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", o.dir)
	web := o.serveWeb()
	onHost(t, o.ben, "^ben is up", "--home", o.path("ben"), "up", "--expose", "ssh=127.0.0.1:2022", "--expose", "redis=127.0.0.1:6379", "--socks", web)
	onHost(t, o.ben, "^listening", append([]string{"--home", o.path("ben"), "listen", "inetd", "--"}, o.sshd("-i")...)...)
	onHost(t, o.ada, "^ada is up", "--home", o.path("ada"), "up", "--mesh")
	forward := onHost(t, o.ada, "leads to socks of ben", "--home", o.path("ada"), "forward", "0:ben:redis", "0:ben:socks")
	text, _ := forward.output.now()
	ports := regexp.MustCompile(`(?m)^127.0.0.1:(\d+) leads`).FindAllStringSubmatch(text, -1)

	shell := o.login()
	shell.say("echo first $((40+2))", "^first 42$")
	check(t, server.cmd.Process.Kill())
	<-server.ended
	shell.say("echo second $((40+3))", "^second 43$")
	shell.logout()

	// New ones without the server, since the session is there: ssh to a daemon, and to one that is started for each stream.
	for _, service := range []string{"ssh", "inetd"} {
		if got := o.run(o.tools["ssh"], o.sshOptions(service, "ben", "echo by $0")...); !strings.Contains(got, "by ") {
			t.Errorf("%s: ssh said %q", service, got)
		}
	}
	o.rsync()
	if got := o.run(tools["redis-cli"], "-p", ports[0][1], "set", "key", "value"); strings.TrimSpace(got) != "OK" {
		t.Errorf("redis-cli set: %q", got)
	}
	if got := o.run(tools["redis-cli"], "-p", ports[0][1], "get", "key"); strings.TrimSpace(got) != "value" {
		t.Errorf("redis-cli get: %q", got)
	}
	if got := o.run(tools["curl"], "-sS", "--noproxy", "", "--socks5-hostname", "127.0.0.1:"+ports[1][1], "http://"+web+"/"); got != "hello\n" {
		t.Errorf("curl: %q", got)
	}
}

// tools finds programs, which CI must have.
func tools(t *testing.T, names ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if err != nil && os.Getenv("NATLAB") == "require" {
			t.Fatal(err)
		}
		if err != nil {
			t.Skip(err)
		}
		found[name] = path
	}
	return found
}

// office is two machines with the programs of others, each behind a NAT, and a server.
type office struct {
	t          *testing.T
	tools      map[string]string
	lab        *natlab.Lab
	natA, natB *natlab.NAT
	ada, ben   *natlab.Host
	server     *process
	dir        string
}

// newOffice is one in which both machines have joined the server's room, and nothing else runs.
func newOffice(t *testing.T, programs ...string) *office {
	t.Helper()
	o := &office{t: t, tools: tools(t, programs...), lab: natlab.Test(t, natlab.Config{}), dir: t.TempDir()}
	s := o.lab.Host("s", natlab.At("203.0.113.10"), natlab.Delay(2*time.Millisecond))
	o.natA = o.lab.NAT("natA", natlab.PortRestrictedCone(), natlab.Delay(2*time.Millisecond))
	o.natB = o.lab.NAT("natB", natlab.PortRestrictedCone(), natlab.Delay(2*time.Millisecond))
	o.ada, o.ben = o.natA.Host("ada"), o.natB.Host("ben")
	o.server = onHost(t, s, "^invite: bodkin1", "--home", o.path("s"), "server")
	o.join(o.ada, "ada")
	o.join(o.ben, "ben")
	return o
}

// join tells a machine the server and its room.
func (o *office) join(host *natlab.Host, name string) {
	o.t.Helper()
	text, _ := o.server.output.now()
	invite := strings.TrimPrefix(regexp.MustCompile("(?m)^invite: .*$").FindString(text), "invite: ")
	onHost(o.t, host, "^joined", "--home", o.path(name), "join", "--name", name, invite)
}

func (o *office) path(name string) string { return filepath.Join(o.dir, name) }

// start starts a program on a host, and waits until it has printed pattern.
func (o *office) start(host *natlab.Host, pattern, name string, args ...string) *process {
	o.t.Helper()
	cmd := host.Command(o.t.Context(), name, args...)
	p, err := newProcess(cmd.Cmd, cmd.Start)
	check(o.t, err)
	o.t.Cleanup(func() {
		if text := p.end(); o.t.Failed() {
			o.t.Logf("[%s]\n%s", filepath.Base(name), text)
		}
	})
	check(o.t, p.await(pattern))
	return p
}

// run runs a program on ada, and returns what it printed.
func (o *office) run(name string, args ...string) string {
	o.t.Helper()
	cmd := o.ada.Command(o.t.Context(), name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	check(o.t, cmd.Start())
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		o.t.Errorf("%s: %v, saying\n%s", filepath.Base(name), err, out.String())
	}
	return out.String()
}

// sshd is the command line of an ssh daemon that lets ada's key in.
func (o *office) sshd(args ...string) []string {
	return append([]string{o.tools["sshd"], "-f", o.path("sshd_config"), "-h", o.path("host_key"), "-e"}, args...)
}

// serveSSH starts the daemon on ben.
func (o *office) serveSSH() {
	o.t.Helper()
	for _, name := range []string{"host_key", "user_key"} {
		o.run(o.tools["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-f", o.path(name))
	}
	config := fmt.Sprintf("AuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nListenAddress 127.0.0.1\nUseDNS no\n", o.path("user_key.pub"))
	check(o.t, os.WriteFile(o.path("sshd_config"), []byte(config), 0o600))
	check(o.t, os.MkdirAll("/run/sshd", 0o755)) // where the daemon wants to be locked up
	command := o.sshd("-D", "-p", "2022")
	o.start(o.ben, "Server listening on 127.0.0.1 port 2022", command[0], command[1:]...)
}

// sshOptions is the command line of ssh to a service of ben, by bodkin connect.
func (o *office) sshOptions(service string, rest ...string) []string {
	return append([]string{"-F", "none", "-i", o.path("user_key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ProxyCommand=" + o.proxyCommand(service)}, rest...)
}

func (o *office) proxyCommand(service string) string {
	return fmt.Sprintf("bodkin --home %s connect %%h %s", o.path("ada"), service)
}

// rsync copies a tree there by rsync over ssh over bodkin, and back.
func (o *office) rsync() {
	o.t.Helper()
	for i := range 20 {
		check(o.t, os.MkdirAll(o.path("tree/sub"), 0o755))
		check(o.t, os.WriteFile(o.path(fmt.Sprintf("tree/sub/%d", i)), bytes.Repeat([]byte{byte(i)}, 10_000*i), 0o644))
	}
	o.run(o.tools["rsync"], "-a", "-e", o.remoteShell(), o.path("tree")+"/", "ben:"+o.path("there")+"/")
	o.run(o.tools["rsync"], "-a", "-e", o.remoteShell(), "ben:"+o.path("there")+"/", o.path("back")+"/")
	if got := o.run("/usr/bin/diff", "-r", o.path("tree"), o.path("back")); got != "" {
		o.t.Errorf("what came back differs:\n%s", got)
	}
}

// remoteShell is the ssh that rsync is told to use.
func (o *office) remoteShell() string {
	return o.tools["ssh"] + " -F none -i " + o.path("user_key") + " -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o 'ProxyCommand=" + o.proxyCommand("ssh") + "'"
}

// login starts a shell of ben on ada, by ssh.
func (o *office) login() *login {
	o.t.Helper()
	return &login{o.start(o.ada, "", o.tools["ssh"], o.sshOptions("ssh", "ben", "sh")...), o.t}
}

// A login lasts until logout.
type login struct {
	*process
	t *testing.T
}

// say types a line, and waits for what it prints.
func (l *login) say(line, want string) {
	l.t.Helper()
	_, err := io.WriteString(l.stdin, line+"\n")
	check(l.t, err)
	check(l.t, l.await(want))
}

func (l *login) logout() {
	l.stdin.Close()
	<-l.ended
}

// serveWeb serves hello on ben, and returns where.
func (o *office) serveWeb() string {
	o.t.Helper()
	var l net.Listener
	check(o.t, o.ben.Do(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	o.t.Cleanup(func() {
		server.Close()
		<-done
	})
	return l.Addr().String()
}
