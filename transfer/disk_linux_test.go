package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestADiskThatRunsFullIsToldAndLeavesNothingUnfinished receives onto a disk of 1 MiB.
//
// Seen to fail: without fits.
func TestADiskThatRunsFullIsToldAndLeavesNothingUnfinished(t *testing.T) {
	if !again(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}) {
		return
	}
	to := t.TempDir()
	check(t, syscall.Mount("tmpfs", to, "tmpfs", 0, "size=1m"))
	defer syscall.Unmount(to, syscall.MNT_DETACH)
	from := t.TempDir()

	// More than there is room for is refused before anything is sent.
	write(t, filepath.Join(from, "large"), make([]byte, 3_000_000), 0o644)
	o := carry(t, open(t, filepath.Join(from, "large")), Receiver{Dir: to})
	if !errors.Is(o.sent, ErrNoSpace) || !errors.Is(o.received, ErrNoSpace) || !strings.Contains(o.sent.Error(), "3.0 MB are needed in "+to+", and 1.0 MB are free") {
		t.Errorf("too large a file: sent: %v, received: %v, want ErrNoSpace with both figures", o.sent, o.received)
	}
	if o.meter.Bytes > 0 || o.meter.Started {
		t.Errorf("%d bytes were sent to where there is no room", o.meter.Bytes)
	}
	onlyHas(t, to)

	// What nobody can know before: a stream, and files that take more room than they have bytes, here a page each.
	stream, err := Stream("stream", bytes.NewReader(make([]byte, 3_000_000)))
	check(t, err)
	if o := carry(t, stream, Receiver{Dir: to}); !errors.Is(o.sent, ErrNoSpace) || !errors.Is(o.received, ErrNoSpace) {
		t.Errorf("a stream: sent: %v, received: %v, want ErrNoSpace", o.sent, o.received)
	}
	_, err = os.Lstat(filepath.Join(to, "stream"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("half a stream has its name")
	}
	check(t, syscall.Unmount(to, 0))
	check(t, syscall.Mount("tmpfs", to, "tmpfs", 0, "size=1m"))
	tree := filepath.Join(from, "tree")
	for i := range 500 {
		write(t, filepath.Join(tree, fmt.Sprint(i)), []byte{byte(i)}, 0o644)
	}
	o = carry(t, open(t, tree), Receiver{Dir: to})
	if !errors.Is(o.sent, ErrNoSpace) || !errors.Is(o.received, ErrNoSpace) || o.result.Staging == "" {
		t.Errorf("a tree: sent: %v, received: %v, left in %q, want ErrNoSpace", o.sent, o.received, o.result.Staging)
	}
	onlyHas(t, to, filepath.Base(o.result.Staging))

	// With more room the same goes on.
	check(t, syscall.Mount("tmpfs", to, "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	o = carry(t, open(t, tree), Receiver{Dir: to})
	if o.sent != nil || o.received != nil || o.result.Resumed == 0 {
		t.Errorf("with more room: sent: %v, received: %v, resumed %d bytes", o.sent, o.received, o.result.Resumed)
	}
	onlyHas(t, to, "tree")
	equalTrees(t, tree, filepath.Join(to, "tree"))
}

// TestWhatMayNotBeReadOrWrittenIsTold runs as nobody, since root may do everything.
//
// Seen to fail: as root.
func TestWhatMayNotBeReadOrWrittenIsTold(t *testing.T) {
	nobody := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		nobody.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if !again(t, nobody) {
		return
	}
	from, to := filepath.Join(t.TempDir(), "dir"), t.TempDir()
	write(t, filepath.Join(from, "first"), content(3*chunkSize, 1), 0o644)
	write(t, filepath.Join(from, "secret"), []byte("x"), 0)
	o := carry(t, open(t, from), Receiver{Dir: to})
	if !errors.Is(o.sent, fs.ErrPermission) || !errors.Is(o.received, fs.ErrPermission) || !strings.Contains(fmt.Sprint(o.sent, o.received), "secret") {
		t.Errorf("a file that may not be read: sent: %v, received: %v, want ErrPermission", o.sent, o.received)
	}
	_, err := os.Lstat(filepath.Join(to, "dir"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("something has the final name")
	}

	closed := t.TempDir()
	check(t, os.Chmod(closed, 0o500))
	o = carry(t, open(t, filepath.Join(from, "first")), Receiver{Dir: closed})
	if !errors.Is(o.sent, fs.ErrPermission) || !errors.Is(o.received, fs.ErrPermission) {
		t.Errorf("a directory that may not be written: sent: %v, received: %v, want ErrPermission", o.sent, o.received)
	}
	onlyHas(t, closed)
}

// again runs a test once more in a process with other rights, and returns true there. A test that can't be run so is skipped,
// or fails where nothing may be skipped.
func again(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	const inside = "TRANSFER_TEST_INSIDE"
	if os.Getenv(inside) == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = attr
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	if err != nil && os.Getenv("NATLAB") != "require" {
		t.Skipf("SKIPPED: it needs root: %v", err)
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil || strings.Contains(out.String(), "no tests to run") {
		t.Errorf("%v\n%s", err, out.String())
	}
	return false
}
