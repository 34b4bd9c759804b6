package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// A home is the directory with this machine's key and room. Only its owner can read what is in it.
type home struct{ dir string }

// openHome finds the home: --home, else BODKIN_HOME, else bodkin in the system's place for settings.
func openHome(g *globals) (home, error) {
	dir := g.home
	if dir == "" {
		dir = os.Getenv("BODKIN_HOME")
	}
	if dir == "" {
		settings, err := os.UserConfigDir()
		if err != nil {
			return home{}, fail("name one with --home or BODKIN_HOME", "no place for the home directory: %v", err)
		}
		dir = filepath.Join(settings, "bodkin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return home{}, err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return home{}, misuse("give a directory", "the home %s is a file", dir)
	}
	opened, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return home{}, fail(foreignHome, "the home %s cannot be read: permission denied", dir)
	}
	if err == nil {
		opened.Close()
	}
	return home{dir}, nil
}

func (h home) path(name string) string { return filepath.Join(h.dir, name) }

// key returns the node's key, which it makes the first time.
func (h home) key() (bodkin.Key, error) {
	path := h.path("node.key")
	key, err := bodkin.LoadOrCreateKey(path)
	if err != nil {
		return key, h.damaged("node.key", "this machine then gets a new id", err)
	}
	return key, nil
}

// A membership is the room that this machine has joined.
type membership struct {
	Invite bodkin.Invite `json:"invite"`
	Name   string        `json:"name"`
	Port   uint16        `json:"port,omitempty"` // that the node had last, to have it again
}

const membershipFile = "membership.json"

// membership returns the room that was joined.
func (h home) membership() (membership, error) {
	data, err := identity.ReadFile(h.path(membershipFile))
	if errors.Is(err, fs.ErrNotExist) {
		return membership{}, &failure{code: exitFailed, err: err,
			text: fmt.Sprintf("no room has been joined yet (nothing in %s)", h.dir),
			hint: "`bodkin join INVITE`, with the invite that `bodkin server` printed"}
	}
	var m membership
	if err == nil {
		if err = json.Unmarshal(data, &m); err == nil && m.Invite.Check() != nil {
			err = m.Invite.Check()
		}
	}
	if err != nil {
		return membership{}, h.damaged(membershipFile, "then `bodkin join INVITE` again", err)
	}
	return m, nil
}

// save remembers the room.
func (h home) save(m membership) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return identity.WriteFile(h.path(membershipFile), append(data, '\n'))
}

// damaged tells of a file in the home that cannot be used.
func (h home) damaged(name, then string, err error) error {
	text := plain(err)
	if !strings.Contains(text, h.path(name)) {
		text = h.path(name) + ": " + text
	}
	f := &failure{code: exitFailed, text: text, err: err}
	switch {
	case errors.Is(err, identity.ErrFileExposed):
		f.hint = "chmod 600 " + h.path(name)
	case errors.Is(err, fs.ErrPermission):
		f.hint = "the home must belong to the user who runs bodkin"
	default:
		f.hint = "put back a copy, or move the file away; " + then
	}
	return f
}

// errLocked tells that another process runs the node of a home.
var errLocked = errors.New("the node of this home runs already")

// lock makes this process the one that runs the node of the home, until unlock or its end. It leaves its process id for
// others to read.
func (h home) lock() (unlock func(), err error) {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(h.path("lock"), flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fail("the home must be writable", "lock %s: %v", h.path("lock"), err)
	}
	if !locked {
		return nil, errLocked
	}
	os.WriteFile(lock.Path(), fmt.Appendln(nil, os.Getpid()), 0o600) // for words only; where locks are mandatory nobody can read it
	return func() { lock.Unlock() }, nil
}

// lockedBy tells which process has the lock, for words: " (pid 123)" or nothing.
func (h home) lockedBy() string {
	text, err := os.ReadFile(h.path("lock"))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" && len(pid) < 20 {
		return " (pid " + printable(pid) + ")"
	}
	return ""
}
