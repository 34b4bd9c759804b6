//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "HUP": syscall.SIGHUP, "CONT": syscall.SIGCONT}
	ts.Check(processOf(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// separately prepares a process for what it is to be sent. Where the tests run under nohup SIGHUP is ignored, and a process that is started
// ignores it, too, unless the one that starts it has a handler.
func separately(*exec.Cmd) {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// stop asks a process to end, as INT or TERM do.
func stop(p *os.Process, signal string) error {
	if signal == "TERM" {
		return p.Signal(syscall.SIGTERM)
	}
	return p.Signal(os.Interrupt)
}
