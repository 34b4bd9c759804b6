package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

const bashCompletion = "/usr/share/bash-completion/bash_completion"

// TestShellsCompleteNamesOfTheRunningNode presses TAB in real shells with a terminal each. Behind each TAB it goes to the
// beginning of the line and makes it an echo, so that the shell prints what the line had become.
//
// Seen to fail: with completePeer for the flag, which offers nothing behind an argument; with no services; with services that are for
// others; and, in zsh, without compinit.
func TestShellsCompleteNamesOfTheRunningNode(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(bashCompletion); err != nil {
		if os.Getenv("NATLAB") == "require" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	o := newOffice(t, "bash", "zsh", "fish", "script")
	onHost(t, o.ben, "^ben is up", "--home", o.path("ben"), "up", "--expose", "postgres=127.0.0.1:5432", "--expose", "private=127.0.0.1:5433", "--allow", "private=eve",
		"--expose", "probe;reboot=127.0.0.1:1")
	ada := onHost(t, o.ada, "^ada is up", "--home", o.path("ada"), "up", "--mesh", "--expose", "printer=127.0.0.1:9100", "--forward", "0:ben:webmail")
	check(t, ada.await("ben linked"))
	bodkin, err := exec.LookPath("bodkin")
	check(t, err)
	for name, shell := range map[string]struct{ command, setup string }{
		"bash": {o.tools["bash"] + " --noprofile --norc -i", ". " + bashCompletion + "; . <(bodkin completion bash)"},
		"zsh":  {o.tools["zsh"] + " -f -i", "bindkey -e; autoload -Uz compinit; compinit -u -D; . <(bodkin completion zsh)"},
		"fish": {o.tools["fish"] + " --no-config -i", "bodkin completion fish | source"},
	} {
		t.Run(name, func(t *testing.T) {
			terminal := o.start(o.ada, `\$|#|%|>`, o.tools["script"], "-qfc", "env TERM=dumb PATH="+bodkin[:strings.LastIndex(bodkin, "/")]+":$PATH BODKIN_HOME="+o.path("ada")+" "+shell.command, "/dev/null")
			say := func(text string) {
				t.Helper()
				_, err := io.WriteString(terminal.stdin, text)
				check(t, err)
			}
			pressed := 0
			tab := func(begun, want string) {
				t.Helper()
				stopwatch.Met(t, func() error { // a machine that stands still answers when the shell waits for names no longer
					pressed++
					say(fmt.Sprintf("%s\t\x01echo '[%d \x05]'\r", begun, pressed))
					check(t, terminal.await(fmt.Sprintf(`\[%d [^]]*\]\s*$`, pressed)))
					if text, _ := terminal.output.now(); !regexp.MustCompile(fmt.Sprintf(`(?m)\[%d %s\s*\]\s*$`, pressed, want)).MatchString(text) {
						return fmt.Errorf("%q became no %q:\n%s", begun, want, text)
					}
					return nil
				})
			}
			say(shell.setup + "\r")
			tab("bodkin pin", "bodkin ping")
			tab("bodkin ping b", "bodkin ping ben")
			tab("bodkin connect ben w", "bodkin connect ben webmail")
			tab("bodkin connect ben p", "bodkin connect ben postgres")
			tab("bodkin send /etc/hostname --to b", "bodkin send /etc/hostname --to ben")
			tab("bodkin forward 8080:b", "bodkin forward 8080:ben:")
			tab("bodkin forward 8080:ben:w", "bodkin forward 8080:ben:webmail")
			tab("bodkin forward 8080:ben:po", "bodkin forward 8080:ben:postgres")
			tab("bodkin up --relay=ne", "bodkin up --relay=never")
			tab("bodkin forget b", "bodkin forget ben")
			tab("bodkin chat b", "bodkin chat ben")

			// Without a node there is nothing to offer, and nothing that disturbs the line.
			say("export BODKIN_HOME=/nonexistent\r")
			tab("bodkin ping x", "bodkin ping x")
			tab("bodkin connect x y", "bodkin connect x y")
		})
	}
}
