package transfer

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// checkName tells why a name cannot be that of a file in a directory: it breaks the protocol's rules, or it is a good one that this system
// cannot have.
func checkName(name string) error { return checkNameOn(runtime.GOOS, name) }

func checkNameOn(system, name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > maxName:
	case strings.ContainsAny(name, "/\x00"):
	case isStaging(name):
	case system == "windows" && specialOnWindows(name):
		return fmt.Errorf("%w: %q", ErrName, shorten(name))
	case strings.ContainsRune(name, filepath.Separator), !filepath.IsLocal(name): // what else is special on this system
	default:
		return nil
	}
	return fmt.Errorf("%w: a file cannot be named %q", ErrProtocol, shorten(name))
}

// specialOnWindows tells whether Windows takes a name for something else than itself: a device in whatever case and with
// whatever behind it (con, Aux.txt, "nul "), a stream or a drive (a colon), another name (a dot or blank at its end goes away, so
// that ".. " is "..") or several (wildcards).
func specialOnWindows(name string) bool {
	if strings.TrimRight(name, " .") != name || strings.ContainsAny(name, `<>:"/\|?*`) {
		return true
	}
	for _, r := range name {
		if r < ' ' {
			return true
		}
	}
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok {
		return isDeviceDigit(rest)
	}
	if rest, ok := strings.CutPrefix(base, "LPT"); ok {
		return isDeviceDigit(rest)
	}
	return false
}

// isDeviceDigit tells whether what is behind COM or LPT is one digit, for which Windows also takes superscripts.
func isDeviceDigit(text string) bool {
	switch text {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}
