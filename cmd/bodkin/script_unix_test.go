//go:build unix

package main

import (
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "HUP": syscall.SIGHUP, "CONT": syscall.SIGCONT}
	ts.Check(processOf(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}
