package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// testManual writes the manual as a build of a release has it, and returns its directory.
func testManual(t *testing.T) (dir string, root *cobra.Command) {
	t.Helper()
	root = newRoot(&globals{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	dir = filepath.Join(t.TempDir(), "man1")
	at := "2026-11-23T08:57:47Z"
	if err := writeManual(dir, root, build{Version: "v1.2.3", Time: &at}); err != nil {
		t.Fatal(err)
	}
	return dir, root
}

// TestTheManualSaysAllThatHelpSays looks for every command, flag, default and example in the pages.
//
// Seen to fail: with the flags of every command left out, and with the examples left out.
func TestTheManualSaysAllThatHelpSays(t *testing.T) {
	dir, root := testManual(t)
	overview, err := os.ReadFile(filepath.Join(dir, "bodkin.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`.TH "BODKIN" "1" "2026-11-23" "bodkin v1.2.3"`, `.SH "ENVIRONMENT"`, "BODKIN_HOME", `.SH "EXIT STATUS"`, "143 by SIGTERM"} {
		if !strings.Contains(string(overview), want) {
			t.Errorf("bodkin.1 says nothing of %s", want)
		}
	}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, "bodkin-"+c.Name()+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(overview), `bodkin\-`+c.Name()+`\fR(1)`) {
			t.Errorf("bodkin.1 does not list %s", c.Name())
		}
		says := func(what string) {
			for _, line := range strings.Split(what, "\n") {
				if line = strings.TrimSpace(line); !strings.Contains(string(page), escaped(line)) {
					t.Errorf("the page of %s does not say: %s", c.Name(), line)
				}
			}
		}
		says(c.Short)
		says(c.Long)
		says(c.Example)
		each := func(flag *pflag.Flag) {
			_, usage := pflag.UnquoteUsage(flag)
			says("--" + flag.Name)
			says(usage)
		}
		c.NonInheritedFlags().VisitAll(each)
		c.InheritedFlags().VisitAll(each)
	}
}

// TestManualPagesAreClean lets groff and mandoc read the pages; neither has anything to say.
//
// Seen to fail: with a macro that does not exist, and with an example that is not ended.
func TestManualPagesAreClean(t *testing.T) {
	dir, _ := testManual(t)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 15 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, reader := range [][]string{
		{"groff", "-man", "-Tutf8", "-ww", "-z"},
		{"mandoc", "-Tlint", "-Wwarning"},
	} {
		t.Run(reader[0], func(t *testing.T) {
			if _, err := exec.LookPath(reader[0]); err != nil {
				t.Skipf("needs %s", reader[0])
			}
			said, err := exec.Command(reader[0], append(reader[1:], pages...)...).CombinedOutput()
			if err != nil || len(said) > 0 {
				t.Errorf("%v: %v\n%s", reader, err, said)
			}
		})
	}
}

// TestEveryVariableIsToldOf looks for the variables of the environment that the source asks for in the help.
//
// Seen to fail: with BODKIN_CONFIG not in the topic.
func TestEveryVariableIsToldOf(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	told := newTopics()[0].Long
	asked := regexp.MustCompile(`os\.(?:Getenv|LookupEnv)\("(BODKIN_\w+|NO_COLOR)"\)`)
	found := 0
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, match := range asked.FindAllStringSubmatch(string(text), -1) {
			if found++; !strings.Contains(told, "  "+match[1]) {
				t.Errorf("%s heeds %s, of which `bodkin help environment` does not tell", path, match[1])
			}
		}
	}
	if found < 6 {
		t.Errorf("found %d variables", found)
	}
}

// TestManualTextIsSaidAsItIs knows what roff would take for its own.
//
// Seen to fail: with each of the replacements left out, and without the guard of a leading dot.
func TestManualTextIsSaidAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		"plain":             "plain",
		`C:\home`:           `C:\ehome`,
		"--json":            `\-\-json`,
		".hidden":           `\&.hidden`,
		"'it''s'":           `\(aqit\(aq\(aqs\(aq`,
		"`~/.config`":       "\\(ga\\(ti/.config\\(ga",
		"2^3":               `2\(ha3`,
		"'10.0.0.0/8:*'_x_": `\(aq10.0.0.0/8:*\(aq_x_`,
	} {
		if got := escaped(text); got != want {
			t.Errorf("escaped(%q) = %q, want %q", text, got, want)
		}
	}
}
