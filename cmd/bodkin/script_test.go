package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// After a change of the help: go test ./cmd/bodkin -run Scripts/help -update
var update = flag.Bool("update", false, "rewrite the output that the scripts expect")

// TestMain runs the tests where labs can be built, if possible, and the program where it was started by one of them.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); strings.TrimSuffix(name, ".exe") == "bodkin" {
		program{m}.Run()
	}
	natlab.Main(program{m})
}

// program is the tests with bodkin in the PATH, or bodkin itself where this process was started under that name.
type program struct{ tests *testing.M }

// Run does not return.
func (p program) Run() int {
	testscript.Main(p.tests, map[string]func(){"bodkin": main})
	return 0
}

// TestScripts runs the scripts of testdata, each in a directory of its own and with the real program over loopback. What
// they have beyond testscript's own commands is in scriptCommands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Condition: func(condition string) (bool, error) {
			if condition != "natlab" {
				return false, fmt.Errorf("unknown condition %q", condition)
			}
			return os.Getenv("NATLAB") == "require", nil
		},
		Cmds: scriptCommands(),
		Setup: func(env *testscript.Env) error {
			env.Values[processesKey{}] = map[string]*process{}
			env.Values[managerKey{}] = &serviceManager{}
			env.Setenv("TMPDIR", os.TempDir())
			env.Setenv("TMP", os.TempDir()) // of Windows
			env.Setenv("BODKIN_HOME", "")
			env.Setenv("BODKIN_INVITE", "")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("BODKIN_NO_PORT_MAPPING", "1") // where there is no lab this is the developer's own network
			env.Setenv("GORACE", "atexit_sleep_ms=0") // of -race, which otherwise makes each process end a second later
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("AppData", filepath.Join(env.WorkDir, "config"))
			return nil
		},
	})
}

// scriptCommands are:
//
//	exits CODE bodkin ARGS...     runs the program and checks its exit code; stdout and stderr can be matched then
//	start NAME REGEXP ARGS...     starts bodkin ARGS in the background and waits until it has printed REGEXP
//	await NAME REGEXP             waits until that one has printed it
//	type NAME TEXT                writes a line to its stdin
//	hangup NAME                   ends its stdin
//	halt NAME SIGNAL CODE         sends a signal (INT, TERM, KILL; none: -), waits for the end, and checks the exit code
//	signal NAME SIGNAL            sends STOP, CONT or HUP
//	codes NAME ARGS...            starts bodkin ARGS, which prints a code; sets $CODE and $NUMBER, and writes code.txt
//	web [ADDRESS]                 starts a web server that says hello, and one that repeats what is said, and sets $WEB and $ECHO
//	ports NAME                    sets $PORT1, $PORT2 ... to where the forwardings of NAME listen
//	fetch [--proxy URL] URL       prints what a web server says
//	serve ARGS...                 starts a server named "server" on free ports, and sets $INVITE, $MAIN, $MAINPORT, $HOLE and $HTTP
//	damage FILE OFFSET            changes a byte
//	manager                       listens as systemd does to what services tell it
//	told REGEXP                   waits until one of those that were started since has told it that
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": scriptExits,
		"start": func(ts *testscript.TestScript, _ bool, args []string) { startProcess(ts, args[0], args[1], args[2:]) },
		"await": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(processOf(ts, args[0]).await(args[1]))
		},
		"type":   scriptType,
		"hangup": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(processOf(ts, args[0]).stdin.Close()) },
		"halt":   scriptHalt,
		"signal": scriptSignal,
		"codes":  scriptCodes,
		"web":    scriptWeb,
		"ports":  scriptPorts,
		"fetch":  scriptFetch,
		"serve":  scriptServe,
		"damage": scriptDamage,

		"manager": scriptManager,
		"told":    scriptTold,
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
	cmd := exec.Command("bodkin", args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "XDG_CONFIG_HOME=" + ts.Getenv("XDG_CONFIG_HOME"), "AppData=" + ts.Getenv("AppData"),
		"TMPDIR=" + os.TempDir(), "TMP=" + os.TempDir(), "NO_COLOR=1", "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
		"NOTIFY_SOCKET=" + ts.Getenv("NOTIFY_SOCKET")}
	separately(cmd)
	p, err := newProcess(cmd, cmd.Start)
	ts.Check(err)
	ts.Defer(func() {
		if text := p.end(); text != "" {
			ts.Logf("[%s]\n%s", name, text)
		}
	})
	processes(ts)[name] = p
	ts.Check(p.await(pattern))
	return p
}

func scriptType(ts *testscript.TestScript, _ bool, args []string) {
	_, err := processOf(ts, args[0]).stdin.Write([]byte(strings.Join(args[1:], " ") + "\n"))
	ts.Check(err)
}

func scriptHalt(ts *testscript.TestScript, _ bool, args []string) {
	p := processOf(ts, args[0])
	switch args[1] {
	case "INT", "TERM":
		ts.Check(stop(p.cmd.Process, args[1]))
	case "KILL":
		ts.Check(p.cmd.Process.Kill())
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		ts.Fatalf("%s runs on after %v", args[0], patience)
	}
	want := args[2]
	if want == "143" && runtime.GOOS == "windows" {
		want = "130" // there is one way to stop there
	}
	if strconv.Itoa(p.cmd.ProcessState.ExitCode()) != want {
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
		HTTP       *string
	}
	line := regexp.MustCompile(`(?m)^{.*}$`).FindString(text)
	ts.Check(json.Unmarshal([]byte(line), &up))
	ts.Setenv("INVITE", up.Invite)
	ts.Setenv("MAIN", up.Main[0])
	ts.Setenv("MAINPORT", up.Main[0][strings.LastIndex(up.Main[0], ":")+1:])
	ts.Setenv("HOLE", up.Hole[0])
	if up.HTTP != nil {
		ts.Setenv("HTTP", *up.HTTP)
	}
}

func scriptCodes(ts *testscript.TestScript, _ bool, args []string) {
	p := startProcess(ts, args[0], `^code: `, args[1:])
	text, _ := p.output.now()
	code := regexp.MustCompile(`(?m)^code: (\S+)`).FindStringSubmatch(text)[1]
	number, _, _ := strings.Cut(code, "-")
	ts.Setenv("CODE", code)
	ts.Setenv("NUMBER", number)
	ts.Check(os.WriteFile(ts.MkAbs("code.txt"), []byte(code+"\n"), 0o600))
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
