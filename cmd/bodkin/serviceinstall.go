package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// installService writes and starts a service.
func installService(c *cobra.Command, s systemService, force bool) error {
	if s.path == "" {
		return installWindows(c, s, force)
	}
	for _, path := range s.packed {
		if isRegular(path) {
			return fail("start it: "+command(s.start[len(s.start)-1]), "a package has brought this service already: %s", path)
		}
	}
	state, err := s.look()
	if err != nil {
		return err
	}
	if err := s.keepChanged(state, force); err != nil {
		return err
	}
	said := map[int]string{fileMissing: "wrote", fileSame: "is in place:", fileOlder: "replaced what an earlier install had written:", fileChanged: "replaced, with a copy in .bak:"}
	if state != fileSame {
		if err := writeUnit(s.path, s.marked()); err != nil {
			return s.noRight(err)
		}
	}
	out := c.OutOrStdout()
	fmt.Fprintln(out, said[state], s.path)
	if !s.kind.system && !s.kind.server && !isRegular(filepath.Join(s.home, membershipFile)) {
		fmt.Fprintf(out, "no room has been joined yet: bodkin join INVITE, then %s\n", command(s.start[len(s.start)-1]))
	}
	if err := runAll(c, s.start); err != nil {
		return err
	}
	fmt.Fprintln(out, s.hint)
	return nil
}

// uninstallService stops and removes a service.
func uninstallService(c *cobra.Command, s systemService, force bool) error {
	if s.path == "" {
		return uninstallWindows(c, s)
	}
	state, err := s.look()
	switch {
	case err != nil:
		return err
	case state == fileMissing:
		return fail("`bodkin service install` writes one", "there is no service to remove: no %s", s.path)
	}
	if err := s.keepChanged(state, force); err != nil {
		return err
	}
	if err := runAll(c, s.stop); err != nil {
		return err
	}
	if err := os.Remove(s.path); err != nil {
		return s.noRight(err)
	}
	if err := runAll(c, s.after); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), "removed", s.path)
	return err
}

// keepChanged refuses to touch a file that was changed by hand, or keeps a copy of it.
func (s systemService) keepChanged(state int, force bool) error {
	if state != fileChanged {
		return nil
	}
	if !force {
		return fail("--force does it all the same, and keeps a copy with .bak behind its name; `bodkin service print` shows what would be there",
			"%s was changed by hand, or is not by bodkin service install", s.path)
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	return s.noRight(writeUnit(s.path+".bak", string(data)))
}

// noRight says what to do where a file of the machine may not be written.
func (s systemService) noRight(err error) error {
	if errors.Is(err, fs.ErrPermission) && (s.kind.system || s.kind.server) {
		return &failure{code: exitFailed, err: err, text: plain(err), hint: "a service of the machine is root's to install: sudo bodkin service ..."}
	}
	return err
}

// writeUnit writes a file that everybody may read, as a whole or not at all.
func writeUnit(path, text string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".bodkin-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // which it has no longer, if all went well
	_, err = temp.WriteString(text)
	if err := errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// runAll runs the commands of a service manager, one after the other. Where there is no such program it says what would have been run: in an
// image that is being made, for instance.
func runAll(c *cobra.Command, commands [][]string) error {
	for i, args := range commands {
		path, err := exec.LookPath(args[0])
		if err != nil {
			for _, args := range commands[i:] {
				fmt.Fprintf(c.OutOrStdout(), "%s is not here; what is left to do: %s\n", args[0], command(args))
			}
			return nil
		}
		run := exec.CommandContext(c.Context(), path, args[1:]...)
		var said bytes.Buffer
		run.Stdout, run.Stderr = &said, &said
		if err := run.Run(); err != nil {
			why := strings.TrimSpace(said.String())
			if why == "" {
				why = err.Error()
			}
			hint := "the file stays as it is now; run the command again by hand to see more"
			if strings.Contains(why, "connect to bus") { // as after su and sudo, which begin no session of the user's own
				hint = "systemd runs nothing for this user here: log in as it, not by su or sudo, and install again; `loginctl enable-linger` keeps it running after the logout"
			}
			return fail(hint, "%s: %s", command(args), why)
		}
	}
	return nil
}

func command(args []string) string { return strings.Join(args, " ") }
