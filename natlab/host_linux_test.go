package natlab

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func namespaceOfThread(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDoRunsInTheHostAndComesBack(t *testing.T) {
	lab := Test(t, Config{})
	a, b := lab.Host("a"), lab.Host("b")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	outside := namespaceOfThread(t)
	var inA, inB, backInA string
	wanted := errors.New("told by fn")
	err := a.Do(func() error {
		inA = namespaceOfThread(t)
		err := b.Do(func() error {
			inB = namespaceOfThread(t)
			return wanted
		})
		backInA = namespaceOfThread(t)
		return err
	})
	if err != wanted {
		t.Errorf("Do returned %v, want the function's error", err)
	}
	if inA == outside || inB == outside || inA == inB {
		t.Errorf("namespaces are %s outside, %s in a, %s in b", outside, inA, inB)
	}
	if got := namespaceOfThread(t); backInA != inA || got != outside {
		t.Errorf("came back to %s and %s, want %s and %s", backInA, got, inA, outside)
	}
}

func TestAProcessRunsOnTheHost(t *testing.T) {
	lab := Test(t, Config{})
	a := lab.Host("a")
	var inA string
	a.Do(func() error {
		inA = namespaceOfThread(t)
		return nil
	})
	out, err := a.Command(t.Context(), "readlink", "/proc/self/ns/net").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != inA {
		t.Errorf("the process ran in %s, want %s", got, inA)
	}
	err = a.Command(t.Context(), "sh", "-c", "exit 9").Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Errorf("it ended with %v, want exit code 9", err)
	}
}

func TestProcessesAreKilledWithTheLab(t *testing.T) {
	lab := Test(t, Config{})
	cmd := lab.Host("a").Command(context.WithoutCancel(t.Context()), "cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lab.Close()
	cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v, want it killed", cmd.ProcessState)
	}
}

func TestSysctlIsTheHostsOwn(t *testing.T) {
	const path = "/proc/sys/net/ipv4/tcp_syn_retries"
	lab := Test(t, Config{})
	a, b := lab.Host("a"), lab.Host("b")
	if err := a.Sysctl("net.ipv4.tcp_syn_retries", "2"); err != nil {
		t.Fatal(err)
	}
	values := make(map[*Host]string)
	for _, h := range []*Host{a, b} {
		h.Do(func() error {
			value, err := os.ReadFile(path)
			values[h] = strings.TrimSpace(string(value))
			return err
		})
	}
	if values[a] != "2" || values[b] == "2" {
		t.Errorf("it is %q on a and %q on b", values[a], values[b])
	}
}

func TestNothingIsLeftOfAClosedLab(t *testing.T) {
	Test(t, Config{}).Close() // what the runtime opens for good, such as the poller's descriptors
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	lab := Test(t, Config{})
	home := lab.NAT("cgn", CarrierGrade()).NAT("home", Linux())
	a, s := home.Host("a"), lab.Host("s")
	if got := sendBytes(t, a, s, 1<<16); got <= 0 {
		t.Fatal(got)
	}
	if err := a.Command(t.Context(), "true").Run(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}
	// A goroutine has ended a moment after it has said so.
	for end := time.Now().Add(20 * time.Second); len(descriptors(t)) > len(before) || runtime.NumGoroutine() > goroutines; {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("open descriptors: %q before, %q after; %d goroutines before, %d after:\n%s", before, descriptors(t),
				goroutines, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		if err := waitUntil(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Do(func() error { return nil }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Do says %v, want net.ErrClosed", err)
	}
	if err := a.Command(t.Context(), "true").Run(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run says %v, want net.ErrClosed", err)
	}
}

func descriptors(t *testing.T) (open []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open = append(open, target)
		}
	}
	return open
}
