// Package packaging has the texts by which service managers know Bodkin: those that the packages carry, and that `bodkin service` writes.
package packaging

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"strings"
)

//go:embed systemd/bodkin.service
var nodeUnit string

//go:embed systemd/bodkin-server.service
var serverUnit string

//go:embed systemd/user/bodkin.service
var userUnit string

//go:embed launchd/io.github.bodkin-p2p.bodkin.plist
var agent string

// Program is where packages have the program, and what the texts name.
const Program = "/usr/bin/bodkin"

// Label is the name of the launchd agent.
const Label = "io.github.bodkin-p2p.bodkin"

// NodeUnit is the systemd unit of a machine's node, which runs as the user bodkin with its home in /var/lib/bodkin.
func NodeUnit(program string) (string, error) { return unit(nodeUnit, program) }

// ServerUnit is the systemd unit of a server, as the user bodkin with its home in /var/lib/bodkin-server.
func ServerUnit(program string) (string, error) { return unit(serverUnit, program) }

// UserUnit is the systemd unit of a user's node. An empty home is the usual one.
func UserUnit(program, home string) (string, error) {
	text, err := unit(userUnit, program)
	if err != nil || home == "" {
		return text, err
	}
	quoted, err := escape(home)
	if err != nil {
		return "", err
	}
	return replace(text,
		"ConditionPathExists=%E/bodkin/membership.json", "ConditionPathExists="+quoted+"/membership.json",
		"Type=notify\n", "Type=notify\nEnvironment=\"BODKIN_HOME="+quoted+"\"\n",
		"%E/bodkin", quoted,
	), nil
}

// Agent is the launchd agent of a user's node. An empty home is the usual one; log is where what it says goes.
func Agent(program, home, log string) string {
	text := replace(agent, "<string>"+Program+"</string>", "<string>"+inXML(program)+"</string>", "/Users/YOU/Library/Logs/bodkin.log", inXML(log))
	if home == "" {
		return text
	}
	return replace(text, "\t<key>RunAtLoad</key>", "\t<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>BODKIN_HOME</key>\n\t\t<string>"+
		inXML(home)+"</string>\n\t</dict>\n\t<key>RunAtLoad</key>")
}

// unit has a unit run another program than that of the packages.
func unit(text, program string) (string, error) {
	if program == Program {
		return text, nil
	}
	quoted, err := escape(program)
	if err != nil {
		return "", err
	}
	return replace(text, "ExecStart="+Program+" ", "ExecStart=\""+strings.ReplaceAll(quoted, "$", "$$")+"\" "), nil
}

// escape writes a path so that systemd reads it as it is (systemd.syntax(7), systemd.unit(5)): it takes % for the beginning of
// something else, and quotes and backslashes for syntax.
func escape(path string) (string, error) {
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.ContainsAny(path, `"\`) {
		return "", fmt.Errorf("%q cannot be named in a unit", path)
	}
	return strings.ReplaceAll(path, "%", "%%"), nil
}

func inXML(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // into memory: cannot fail
	return b.String()
}

func replace(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
