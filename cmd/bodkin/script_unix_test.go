//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "HUP": syscall.SIGHUP, "CONT": syscall.SIGCONT}
	ts.Check(processOf(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// separately prepares a process for stop.
func separately(*exec.Cmd) {}

// stop asks a process to end, as INT or TERM do.
func stop(p *os.Process, signal string) error {
	if signal == "TERM" {
		return p.Signal(syscall.SIGTERM)
	}
	return p.Signal(os.Interrupt)
}
