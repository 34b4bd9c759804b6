package natlab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// program prepares the test binary as one of TestMain's programs, which enters by itself.
func program(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), programEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func needNamespaces(t *testing.T) {
	t.Helper()
	Test(t, Config{}).Close()
}

func TestEnterPassesArgumentsInputOutputAndExitCode(t *testing.T) {
	needNamespaces(t)
	cmd := program(t, "copy", "one", "two words")
	cmd.Stdin = strings.NewReader("input\n")
	out, err := cmd.Output()
	if got, want := string(out), "[one two words]\ninput\n"; got != want {
		t.Errorf("output is %q, want %q", got, want)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("it ended with %v, want exit code 7", err)
	}
}

func TestEnterPassesSignals(t *testing.T) {
	needNamespaces(t)
	cmd := program(t, "signal")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	cmd.Process.Signal(unix.SIGTERM)
	rest, _ := io.ReadAll(out)
	cmd.Wait()
	if string(rest) != "terminated\n" || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("it said %q and ended with %v", rest, cmd.ProcessState)
	}
}

func TestEnterEndsByTheSignalThatEndedTheProgram(t *testing.T) {
	needNamespaces(t)
	cmd := program(t, "crash")
	cmd.Run()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v, want signal %v", cmd.ProcessState, unix.SIGKILL)
	}
}

func TestTheProgramInsideDiesWithTheOneOutside(t *testing.T) {
	needNamespaces(t)
	cmd := program(t, "stay")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(stdout, &pid); err != nil {
		t.Fatal(err)
	}
	inside, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inside)
	cmd.Process.Kill()
	cmd.Wait()
	ended := []unix.PollFd{{Fd: int32(inside), Events: unix.POLLIN}}
	if n, err := unix.Poll(ended, 20_000); n != 1 {
		t.Errorf("the program inside is still there after 20 s: %v", err)
	}
}

func TestEnterTellsWhatForbidsNamespaces(t *testing.T) {
	needNamespaces(t)
	cmd := program(t, "copy")
	// In a user namespace of its own, because the limit is that of the user namespace.
	script := `echo 0 > /proc/sys/user/max_net_namespaces && exec "$0"`
	cmd.Args = []string{"sh", "-c", script, cmd.Path}
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Skip(err)
	}
	if cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("it ended with %v, want exit code 5", err)
	}
	for _, part := range []string{ErrUnavailable.Error(), "sysctl user.max_net_namespaces="} {
		if !strings.Contains(string(out), part) {
			t.Errorf("it said %q, which does not contain %q", out, part)
		}
	}
}
