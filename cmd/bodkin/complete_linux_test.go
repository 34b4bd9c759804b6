package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const bashCompletion = "/usr/share/bash-completion/bash_completion"

// TestBashCompletesNamesOfTheRunningNode presses TAB in a real bash with a terminal of its own. Behind each TAB it goes to the
// beginning of the line and makes it an echo, so that bash prints what the line had become.
//
// Seen to fail: with completePeer for the flag, which offers nothing behind an argument, and with no services.
func TestBashCompletesNamesOfTheRunningNode(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(bashCompletion); err != nil {
		if os.Getenv("NATLAB") == "require" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	o := newOffice(t, "bash", "script")
	onHost(t, o.ben, "^ben is up", "--home", o.path("ben"), "up")
	ada := onHost(t, o.ada, "^ada is up", "--home", o.path("ada"), "up", "--mesh", "--expose", "postgres=127.0.0.1:5432", "--forward", "0:ben:webmail")
	check(t, ada.await("ben linked"))
	shell := o.start(o.ada, "bash|\\$|#", o.tools["script"], "-qfc", o.tools["bash"]+" --noprofile --norc -i", "/dev/null")
	say := func(text string) {
		t.Helper()
		_, err := io.WriteString(shell.stdin, text)
		check(t, err)
	}
	tab := func(begun, want string) {
		t.Helper()
		say(begun + "\t\x01echo '[\x05]'\r")
		check(t, shell.await(`\[`+want+`\s*\]\s*$`))
	}
	bodkin, err := exec.LookPath("bodkin")
	check(t, err)
	say("PATH=" + bodkin[:strings.LastIndex(bodkin, "/")] + ":$PATH; export BODKIN_HOME=" + o.path("ada") + "\r")
	say(". " + bashCompletion + "; . <(bodkin completion bash)\r")
	tab("bodkin pin", "bodkin ping")
	tab("bodkin ping b", "bodkin ping ben")
	tab("bodkin connect ben w", "bodkin connect ben webmail")
	tab("bodkin connect ben p", "bodkin connect ben postgres")
	tab("bodkin send /etc/hostname --to b", "bodkin send /etc/hostname --to ben")
	tab("bodkin forward 8080:b", "bodkin forward 8080:ben:")
	tab("bodkin forward 8080:ben:w", "bodkin forward 8080:ben:webmail")
	tab("bodkin up --relay=ne", "bodkin up --relay=never")
	tab("bodkin forget b", "bodkin forget ben")
	tab("bodkin chat b", "bodkin chat ben")

	// Without a node there is nothing to offer, and nothing that disturbs the line.
	say("export BODKIN_HOME=/nonexistent\r")
	tab("bodkin ping x", "bodkin ping x")
	tab("bodkin connect x y", "bodkin connect x y")
}
