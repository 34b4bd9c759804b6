package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// After a change of the help: go test ./cmd/bodkin -run Scripts/help -update
var update = flag.Bool("update", false, "rewrite the output that the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bodkin": main})
}

// TestScripts runs the scripts of testdata, each in a directory of its own and with the real program over loopback. What
// they have beyond testscript's own commands is in scriptCommands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Cmds:                scriptCommands(),
		Setup: func(env *testscript.Env) error {
			env.Values[processesKey{}] = map[string]*process{}
			env.Setenv("BODKIN_HOME", "")
			env.Setenv("BODKIN_INVITE", "")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
	})
}

// patience is how long a script waits for what must come.
const patience = 20 * time.Second

// scriptCommands are:
//
//	exits CODE bodkin ARGS...     runs the program and checks its exit code; stdout and stderr can be matched then
//	start NAME REGEXP ARGS...     starts bodkin ARGS in the background and waits until it has printed REGEXP
//	await NAME REGEXP             waits until that one has printed it
//	type NAME TEXT                writes a line to its stdin
//	hangup NAME                   ends its stdin
//	halt NAME SIGNAL CODE         sends a signal (INT, TERM, KILL; none: -), waits for the end, and checks the exit code
//	signal NAME SIGNAL            sends STOP or CONT
//	serve ARGS...                 starts a server named "server" on free ports, and sets $INVITE and $MAIN
//	damage FILE OFFSET            changes a byte
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":  scriptExits,
		"start":  func(ts *testscript.TestScript, _ bool, args []string) { startProcess(ts, args[0], args[1], args[2:]) },
		"await":  func(ts *testscript.TestScript, _ bool, args []string) { processOf(ts, args[0]).await(ts, args[1]) },
		"type":   scriptType,
		"hangup": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(processOf(ts, args[0]).stdin.Close()) },
		"halt":   scriptHalt,
		"signal": scriptSignal,
		"serve":  scriptServe,
		"damage": scriptDamage,
	}
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// A process runs in the background of a script.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output output
	ended  chan struct{} // closed at its end
}

// output is what a process has printed.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

type processesKey struct{}

func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processesKey{}).(map[string]*process)
}

func processOf(ts *testscript.TestScript, name string) *process {
	p := processes(ts)[name]
	if p == nil {
		ts.Fatalf("no process %q was started", name)
	}
	return p
}

func startProcess(ts *testscript.TestScript, name, pattern string, args []string) *process {
	p := &process{cmd: exec.Command("bodkin", args...), ended: make(chan struct{})}
	p.output.changed = make(chan struct{})
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "XDG_CONFIG_HOME=" + ts.Getenv("XDG_CONFIG_HOME"),
		"TMPDIR=" + os.TempDir(), "NO_COLOR=1", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	stdin, err := p.cmd.StdinPipe()
	ts.Check(err)
	p.stdin = stdin
	ts.Check(p.cmd.Start())
	go func() {
		defer close(p.ended)
		p.cmd.Wait()
	}()
	ts.Defer(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if text, _ := p.output.now(); text != "" {
			ts.Logf("[%s]\n%s", name, text)
		}
	})
	processes(ts)[name] = p
	p.await(ts, pattern)
	return p
}

// await waits until the process has printed something that matches.
func (p *process) await(ts *testscript.TestScript, pattern string) {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		text, changed := p.output.now()
		if re.MatchString(text) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			if text, _ := p.output.now(); !re.MatchString(text) {
				ts.Fatalf("the process ended without printing %q", pattern)
			}
			return
		case <-deadline.C:
			ts.Fatalf("nothing like %q after %v", pattern, patience)
		}
	}
}

func scriptType(ts *testscript.TestScript, _ bool, args []string) {
	_, err := processOf(ts, args[0]).stdin.Write([]byte(strings.Join(args[1:], " ") + "\n"))
	ts.Check(err)
}

func scriptHalt(ts *testscript.TestScript, _ bool, args []string) {
	p := processOf(ts, args[0])
	switch args[1] {
	case "INT":
		ts.Check(p.cmd.Process.Signal(os.Interrupt))
	case "TERM":
		ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	case "KILL":
		ts.Check(p.cmd.Process.Kill())
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		ts.Fatalf("%s runs on after %v", args[0], patience)
	}
	if want := args[2]; strconv.Itoa(p.cmd.ProcessState.ExitCode()) != want {
		ts.Fatalf("%s: exit code %d, want %s", args[0], p.cmd.ProcessState.ExitCode(), want)
	}
}

func scriptServe(ts *testscript.TestScript, _ bool, args []string) {
	flags := []string{"--home", "s", "server", "--json", "--main", "127.0.0.1:0", "--hole", "127.0.0.1:0", "--advertise", "127.0.0.1"}
	p := startProcess(ts, "server", `^{.*}$`, append(flags, args...))
	text, _ := p.output.now()
	var up struct {
		Invite     string
		Main, Hole []string
	}
	line := regexp.MustCompile(`(?m)^{.*}$`).FindString(text)
	ts.Check(json.Unmarshal([]byte(line), &up))
	ts.Setenv("INVITE", up.Invite)
	ts.Setenv("MAIN", up.Main[0])
	ts.Setenv("HOLE", up.Hole[0])
}

func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}
