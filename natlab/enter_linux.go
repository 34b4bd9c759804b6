package natlab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// enteredEnv tells the re-executed process that it is the one inside. Its value names the parent,
// so that the programs which that process starts in turn do not take themselves for it.
const enteredEnv = "NATLAB_ENTERED"

// reportFD is where the re-executed process tells its parent, once, why it cannot build labs.
// Saying nothing means it can.
const reportFD = 3

func enter() error {
	parent := strconv.Itoa(os.Getppid())
	switch os.Getenv(enteredEnv) {
	case parent:
		return nil
	case parent + " report":
		os.Setenv(enteredEnv, parent)
		arrive()
		return nil
	}
	return reexecute()
}

// arrive checks, as the process inside, that labs can be built, and ends the process where they
// cannot.
func arrive() {
	report := os.NewFile(reportFD, "natlab report")
	defer report.Close()
	if err := prepare(); err != nil {
		fmt.Fprint(report, err)
		os.Exit(1)
	}
}

func prepare() error {
	// Mounts made in here must not reach the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("detach mounts: %w", err)
	}
	if err := loopbackUp(); err != nil { // as a process expects it to be, lab or not
		return err
	}
	probe, err := newSpace()
	if err != nil {
		return err
	}
	return probe.close()
}

// reexecute runs this program again in fresh namespaces and ends this process the way the other one
// ended. It returns only if there is no way inside.
func reexecute() error {
	// Before the other one is there, which may be told to end as soon as it has said anything.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1,
		unix.SIGUSR2)
	inside, err := startInside()
	if err != nil {
		signal.Stop(signals)
		return err
	}
	// The parent-death signal comes when the thread that started the process ends, not the process:
	// stay on it.
	defer runtime.UnlockOSThread()
	go forward(signals, inside.cmd.Process)

	trouble, _ := io.ReadAll(inside.report)
	inside.report.Close()
	err = inside.cmd.Wait()
	signal.Stop(signals)
	close(signals)
	if len(trouble) > 0 {
		return unavailable(errors.New(string(trouble)))
	}
	endLike(inside.cmd.ProcessState, err)
	return nil
}

type insider struct {
	cmd    *exec.Cmd
	report *os.File
}

// startInside starts this program again and leaves the calling goroutine locked to its thread if
// that worked.
func startInside() (insider, error) {
	namespaces := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWNET)
	tries := []uintptr{namespaces | unix.CLONE_NEWUSER}
	if os.Geteuid() == 0 {
		// Real root needs no user namespace, and keeps /dev/net/tun without it. Root in a container
		// may not be real.
		tries = []uintptr{namespaces, namespaces | unix.CLONE_NEWUSER}
	}
	runtime.LockOSThread()
	var err error
	for _, flags := range tries {
		var in insider
		if in, err = startWith(flags); err == nil {
			return in, nil
		}
	}
	runtime.UnlockOSThread()
	return insider{}, unavailable(err)
}

func startWith(flags uintptr) (insider, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return insider{}, err
	}
	defer w.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d report", enteredEnv, os.Getpid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: unix.SIGKILL}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		r.Close()
		return insider{}, err
	}
	return insider{cmd, r}, nil
}

// forward passes signals on until the channel is closed. What the terminal sends, it has sent to
// both already.
func forward(signals <-chan os.Signal, to *os.Process) {
	for s := range signals {
		if (s == unix.SIGINT || s == unix.SIGQUIT) && inForeground() {
			continue
		}
		to.Signal(s) // an error means that it has ended, which Wait tells
	}
}

// inForeground reports whether this process gets the signals that are typed at its terminal.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// endLike ends this process as another one ended: same exit code, or same signal.
func endLike(state *os.ProcessState, err error) {
	if state == nil {
		fmt.Fprintln(os.Stderr, "natlab:", err)
		os.Exit(1)
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		os.Exit(state.ExitCode())
	}
	switch status.Signal() {
	case unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGKILL:
		signal.Reset(status.Signal())
		unix.Kill(os.Getpid(), status.Signal())
		<-time.After(time.Second) // any thread may take the signal
	}
	// From other signals the Go runtime makes something else than an end.
	os.Exit(128 + int(status.Signal()))
}
