//go:build unix

package control

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyTheOwnerMayConnect(t *testing.T) {
	home := t.TempDir()
	l, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(home, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v; want mode 0600", info.Mode(), err)
	}
	l.Close()
	left, err := os.ReadDir(home)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the home after Close: %v, %v", left, err)
	}
}

func TestAHomeWithALongPathHasItsSocketElsewhere(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp")
	home := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	path, err := socketPath(home)
	if err != nil || len(path) > maxPath || !strings.HasPrefix(path, "/tmp/bodkin-") {
		t.Fatalf("socketPath = %q, %v; want a short path below /tmp", path, err)
	}
	if other, _ := socketPath(home + "er"); other == path {
		t.Errorf("two homes share the socket %s", path)
	}
	t.Setenv("TMPDIR", filepath.Join("/tmp", strings.Repeat("long", 30))) // on a system whose temporary directories are deep, too
	if other, err := socketPath(home); err != nil || other != path {
		t.Errorf("socketPath = %q, %v; want %q", other, err, path)
	}
	l, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v; want mode 0700", info.Mode(), err)
	}
}

func TestADirectoryOfAnotherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Skip("cannot give a directory away:", err)
	}
	if err := checkOwned(filepath.Join(dir, "s.sock")); err == nil {
		t.Error("a socket in another user's directory was accepted")
	}
}

func TestWithoutANodeConnectSaysSo(t *testing.T) {
	home := t.TempDir()
	if _, err := Connect(t.Context(), home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v, want ErrNotRunning", err)
	}
	l, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	l.(*published).Listener.Close() // as a node that died: the socket stays
	if _, err := Connect(t.Context(), home); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stale socket: %v, want ErrNotRunning", err)
	}
	again, err := Listen(home)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	again.Close()
}
