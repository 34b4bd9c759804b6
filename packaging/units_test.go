package packaging

import (
	"encoding/xml"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Seen to fail: with a text of the packages changed so that nothing was replaced in it.
func TestUnitsAreThoseOfThePackages(t *testing.T) {
	for name, make := range map[string]func(program string) (string, error){
		"systemd/bodkin.service":        NodeUnit,
		"systemd/bodkin-server.service": ServerUnit,
		"systemd/user/bodkin.service":   func(program string) (string, error) { return UserUnit(program, "") },
		"launchd/" + Label + ".plist": func(program string) (string, error) {
			return Agent(program, "", "/Users/YOU/Library/Logs/bodkin.log"), nil
		},
	} {
		packaged := read(t, name)
		if got, err := make(Program); err != nil || got != packaged {
			t.Errorf("%s differs, %v:\n%s", name, err, got)
		}
		got, err := make("/opt/my tools/bodkin")
		if err != nil {
			t.Fatal(err)
		}
		if differ := differing(packaged, got); len(differ) != 1 || !strings.Contains(differ[0], "/opt/my tools/bodkin") {
			t.Errorf("%s with another program: %q differ", name, differ)
		}
	}
}

// differing is the lines of b that a does not have.
func differing(a, b string) (lines []string) {
	had := strings.Split(a, "\n")
	for _, line := range strings.Split(b, "\n") {
		if !slices.Contains(had, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Seen to fail: without the escapes.
func TestPathsAreWrittenAsServiceManagersReadThem(t *testing.T) {
	text, err := UserUnit("/home/a%b/$x/bodkin", "/home/a%b/c d")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/home/a%%b/$$x/bodkin" up --wait`,
		`ConditionPathExists=/home/a%%b/c d/membership.json`,
		`Environment="BODKIN_HOME=/home/a%%b/c d"`,
	} {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	for _, path := range []string{"/a\nExecStartPre=/bin/sh", `/a"b`, `/a\b`} {
		if _, err := UserUnit(path, ""); err == nil {
			t.Errorf("%q was taken for a program", path)
		}
		if _, err := UserUnit(Program, path); err == nil {
			t.Errorf("%q was taken for a home", path)
		}
	}
	plist := Agent("/Users/a&b/bodkin", "/Users/<c>", "/log")
	for d := xml.NewDecoder(strings.NewReader(plist)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, plist)
		}
	}
	if !strings.Contains(plist, "<string>/Users/&lt;c&gt;</string>") || !strings.Contains(plist, "<string>/Users/a&amp;b/bodkin</string>") {
		t.Error(plist)
	}
}

// TestUnitsNameWhatThePackagesMake holds the paths in the units against the directories that the packages make.
//
// Seen to fail: before the packages made /etc/bodkin.
func TestUnitsNameWhatThePackagesMake(t *testing.T) {
	made := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^d\s+(\S+)\s+(\d+)\s+(\S+)`).FindAllStringSubmatch(read(t, "systemd/tmpfiles.conf"), -1) {
		made[m[1]] = m[2] + " " + m[3]
	}
	script := read(t, "scripts/postinstall") // where there is no systemd-tmpfiles
	for dir := range made {
		if !regexp.MustCompile(`install -d [^\n]*` + regexp.QuoteMeta(dir) + `( |$)`).MatchString(strings.ReplaceAll(script, "\n", " \n")) {
			t.Errorf("postinstall does not make %s", dir)
		}
	}
	for _, name := range []string{"systemd/bodkin.service", "systemd/bodkin-server.service"} {
		text := read(t, name)
		setting := func(key string) string {
			m := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("%s has no %s", name, key)
			}
			return m[1]
		}
		home := setting("Environment=BODKIN_HOME")
		if made[home] != "0700 bodkin" || home != "/var/lib/"+setting("StateDirectory") {
			t.Errorf("%s: its home %s is made as %q, its state directory is %s", name, home, made[home], setting("StateDirectory"))
		}
		file := setting("Environment=BODKIN_CONFIG")
		if dir, base := file[:strings.LastIndex(file, "/")], file[strings.LastIndex(file, "/")+1:]; made[dir] != "0755 root" || !strings.HasSuffix(base, ".toml") {
			t.Errorf("%s: its settings are in %s, which is made as %q", name, dir, made[dir])
		}
		if user := setting("User"); !strings.Contains(read(t, "systemd/sysusers.conf"), "u     "+user+" ") {
			t.Errorf("%s: nobody makes the user %s", name, user)
		}
		if at := regexp.MustCompile(`(?m)^ConditionPathExists=(.*)/membership.json$`).FindStringSubmatch(text); at != nil && at[1] != home {
			t.Errorf("%s begins once there is a room in %s, and its home is %s", name, at[1], home)
		}
	}
}
