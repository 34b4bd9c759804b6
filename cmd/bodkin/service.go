package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/packaging"
)

func newServiceCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "service COMMAND",
		Short: "Have the system run this machine's node",
		Long: `Have the service manager of the system run bodkin up from now on: systemd on Linux,
launchd on macOS, the service manager of Windows. The packages for Debian and Fedora have
brought the same units already; there it is systemctl enable --now bodkin.`,
		Example: `  bodkin join - && bodkin service install
  bodkin service print --server
  bodkin service uninstall`,
	}
	var kind serviceKind
	flags := func(c *cobra.Command) {
		c.Flags().BoolVar(&kind.system, "system", false, "the node of the machine, as the user bodkin with its home in /var/lib/bodkin, and not yours (systemd)")
		c.Flags().BoolVar(&kind.server, "server", false, "bodkin server, as the user bodkin with its home in /var/lib/bodkin-server (systemd)")
		c.MarkFlagsMutuallyExclusive("system", "server")
	}
	print := &cobra.Command{
		Use:     "print",
		Short:   "Print what install would write",
		Long:    `Print the text by which the service manager knows the service. Nothing is changed.`,
		Example: `  bodkin service print > ~/.config/systemd/user/bodkin.service`,
		Args:    cobra.NoArgs,
	}
	flags(print)
	manager := print.Flags().String("for", "", "for another `manager` than this system's: systemd, launchd or windows")
	print.RunE = func(c *cobra.Command, _ []string) error {
		s, err := serviceFor(g, kind, *manager)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.OutOrStdout(), s.text)
		return err
	}
	install := &cobra.Command{
		Use:   "install",
		Short: "Write the service, and start it",
		Long: `Write what service print prints to its place, let it start with the system or at
login, and start it. A text that is there and was changed by hand is left, unless --force is
given; a copy of it then stays beside it, with .bak behind its name.`,
		Example: `  bodkin service install
  sudo bodkin service install --server`,
		Args: cobra.NoArgs,
	}
	uninstall := &cobra.Command{
		Use:     "uninstall",
		Short:   "Stop the service, and remove it",
		Long:    `Stop the service and remove what service install has written. Keys and rooms stay.`,
		Example: `  bodkin service uninstall`,
		Args:    cobra.NoArgs,
	}
	for _, c := range []*cobra.Command{install, uninstall} {
		flags(c)
		force := c.Flags().Bool("force", false, "also where the text was changed by hand")
		do := installService
		if c == uninstall {
			do = uninstallService
		}
		c.RunE = func(c *cobra.Command, _ []string) error {
			s, err := serviceFor(g, kind, "")
			if err != nil {
				return err
			}
			return do(c, s, *force)
		}
	}
	c.AddCommand(print, install, uninstall)
	return c
}

// A serviceKind is what is to run, and for whom; the zero one is the node of this user.
type serviceKind struct{ system, server bool }

// A systemService is one that the system's manager runs.
type systemService struct {
	kind    serviceKind
	path    string     // of the file that describes it; empty for Windows, which has none
	text    string     // what is in it, or what to run instead
	comment [2]string  // what goes around a comment in it
	program string     // that runs
	home    string     // of what runs
	packed  []string   // where packages have the same
	start   [][]string // commands that make it known and start it
	stop    [][]string // commands that stop it and have it start no more
	after   [][]string // commands for when the file is gone
	hint    string     // for people, once it is installed
}

// Managers of services.
const (
	systemd = "systemd"
	launchd = "launchd"
	scm     = "windows"
)

// serviceFor describes a service to a manager; empty: that of this system.
func serviceFor(g *globals, kind serviceKind, manager string) (systemService, error) {
	if manager == "" {
		manager = map[string]string{"windows": scm, "darwin": launchd}[runtime.GOOS]
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return systemService{}, err
	}
	h, err := openHome(g)
	if err != nil {
		return systemService{}, err
	}
	custom := "" // home, if it is not the usual one
	if g.home != "" || os.Getenv("BODKIN_HOME") != "" {
		custom = h.dir
	}
	if (kind.system || kind.server) && manager != systemd && manager != "" {
		return systemService{}, misuse("`bodkin service print --for systemd` shows what is there for Linux", "--system and --server are for systemd")
	}
	if (kind.system || kind.server) && g.home != "" {
		return systemService{}, misuse("leave --home out, and join with `sudo -u bodkin bodkin --home /var/lib/bodkin join -`", "a service of the machine has its home in /var/lib")
	}
	switch manager {
	case "", systemd:
		return systemdService(kind, program, h.dir, custom)
	case launchd:
		return launchdAgent(program, h.dir, custom), nil
	case scm:
		return windowsService(program), nil
	}
	return systemService{}, misuse("want systemd, launchd or windows", "--for %s: no such manager is known", manager)
}

func systemdService(kind serviceKind, program, home, custom string) (s systemService, err error) {
	s = systemService{kind: kind, program: program, comment: [2]string{"# ", ""}}
	name, dir, systemctl := "bodkin.service", "/etc/systemd/system", []string{"systemctl"}
	switch {
	case kind.server:
		name, s.home = "bodkin-server.service", "/var/lib/bodkin-server"
		s.text, err = packaging.ServerUnit(program)
		s.hint = "its invite: sudo -u bodkin bodkin --home /var/lib/bodkin-server invite"
	case kind.system:
		s.home = "/var/lib/bodkin"
		s.text, err = packaging.NodeUnit(program)
		s.hint = "it runs once it has joined a room: sudo -u bodkin bodkin --home /var/lib/bodkin join -"
	default:
		config, _ := os.UserConfigDir() // openHome has found one, or there is --home
		dir, s.home = filepath.Join(config, "systemd/user"), home
		systemctl = append(systemctl, "--user")
		s.text, err = packaging.UserUnit(program, custom)
		s.hint = "it ends when you log out, unless: loginctl enable-linger"
	}
	s.path = filepath.Join(dir, name)
	if kind.system || kind.server {
		s.packed = []string{"/usr/lib/systemd/system/" + name, "/lib/systemd/system/" + name}
	} else {
		s.packed = []string{"/usr/lib/systemd/user/" + name}
	}
	with := func(args ...string) []string { return append(append([]string{}, systemctl...), args...) }
	s.start = [][]string{with("daemon-reload"), with("enable", "--now", name)}
	s.stop = [][]string{with("disable", "--now", name)}
	s.after = [][]string{with("daemon-reload")}
	return s, err
}

func launchdAgent(program, home, custom string) systemService {
	user, _ := os.UserHomeDir() // without one launchd runs nothing for this user
	domain := fmt.Sprintf("gui/%d", os.Getuid())
	s := systemService{
		path:    filepath.Join(user, "Library/LaunchAgents", packaging.Label+".plist"),
		text:    packaging.Agent(program, custom, filepath.Join(user, "Library/Logs/bodkin.log")),
		comment: [2]string{"<!-- ", " -->"}, program: program, home: home,
		hint: "its log: ~/Library/Logs/bodkin.log",
	}
	s.start = [][]string{{"launchctl", "bootstrap", domain, s.path}}
	s.stop = [][]string{{"launchctl", "bootout", domain + "/" + packaging.Label}}
	return s
}

// marked is the text with a last line by which a change by hand shows.
func (s systemService) marked() string {
	return s.text + s.comment[0] + markOf(s.text) + s.comment[1] + "\n"
}

func markOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "Written by bodkin service install; sum of the above: " + hex.EncodeToString(sum[:8])
}

// The state of the file of a service.
const (
	fileMissing = iota
	fileSame
	fileOlder   // that another version, or other flags, have written
	fileChanged // by hand
)

// look tells what is in the place of the file.
func (s systemService) look() (state int, err error) {
	data, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileMissing, nil
	case err != nil:
		return 0, err
	case string(data) == s.marked():
		return fileSame, nil
	}
	above, last := string(data), ""
	if i := strings.LastIndex(strings.TrimRight(above, "\n"), "\n"); i >= 0 {
		above, last = above[:i+1], above[i+1:]
	}
	if strings.TrimRight(last, "\n") == s.comment[0]+markOf(above)+s.comment[1] {
		return fileOlder, nil
	}
	return fileChanged, nil
}
