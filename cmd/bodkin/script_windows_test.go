package main

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/windows"
)

func scriptSignal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("Windows has no such signals")
}

// separately makes a process a group of its own, so that stop reaches it alone.
func separately(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// stop presses Ctrl-Break: Ctrl-C would reach everybody at this console, and programs written in Go take the one for the other.
func stop(p *os.Process, _ string) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid))
}
