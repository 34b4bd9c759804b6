package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// patience is how long a step may take.
const patience = 2 * time.Minute

// A step is a command that somebody types.
type step struct {
	who     string // on which machine
	command string // with $INVITE and $CODE where the user pastes what was printed before
	until   string // a pattern of what has been printed when the next step begins; empty: when the command has ended
}

// story is the whole of it.
var story = []step{
	{"vps", "bodkin server --advertise 203.0.113.10", "invite: bodkin1"},
	{"ada", "BODKIN_INVITE=$INVITE bodkin send photos", "code: "},
	{"ben", "BODKIN_INVITE=$INVITE bodkin receive $CODE", ""},
}

// photos are how many are sent.
const photos = 12

// printed finds what is pasted later.
var printed = map[string]*regexp.Regexp{
	"$INVITE": regexp.MustCompile(`(?m)^invite: (bodkin1\w+)`),
	"$CODE":   regexp.MustCompile(`(?m)^code: (\S+)`),
}

// play plays the story on machines of its own, with homes in dir and photos of some size, and returns the text of it.
func play(ctx context.Context, dir string, size int) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return "", err
	}
	defer lab.Close()
	program := filepath.Join(dir, "bin", "bodkin")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/bodkin-p2p/bodkin/cmd/bodkin").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bodkin: %w\n%s", err, out)
	}
	machines := map[string]*natlab.Host{
		"vps": lab.Host("vps", natlab.At("203.0.113.10"), natlab.Delay(5*time.Millisecond)),
		"ada": lab.NAT("ada's NAT", natlab.PortRestrictedCone(), natlab.Delay(15*time.Millisecond)).Host("ada"),
		"ben": lab.NAT("ben's NAT", natlab.Linux(), natlab.Delay(10*time.Millisecond)).Host("ben"),
	}
	if err := errors.Join(lab.Err(), takePhotos(filepath.Join(dir, "ada", "photos"), size), os.Mkdir(filepath.Join(dir, "ben"), 0o755), os.Mkdir(filepath.Join(dir, "vps"), 0o755)); err != nil {
		return "", err
	}
	var terminals []*terminal
	defer func() {
		cancel()
		for _, t := range terminals {
			t.close()
		}
	}()
	pasted := map[string]string{}
	for _, s := range story {
		t, err := open(ctx, machines[s.who], s.who, filepath.Join(dir, s.who), filepath.Dir(program), paste(s.command, pasted))
		if err != nil {
			return "", err
		}
		terminals = append(terminals, t)
		if err := t.await(s.until); err != nil {
			return "", err
		}
		for name, pattern := range printed {
			if found := pattern.FindStringSubmatch(t.text()); found != nil {
				pasted[name] = found[1]
			}
		}
	}
	if err := terminals[1].await(""); err != nil { // the sender's
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "diff", "-r", filepath.Join(dir, "ada", "photos"), filepath.Join(dir, "ben", "photos")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("what ben has is not what ada sent: %w\n%s", err, out)
	}
	var b strings.Builder
	for i, s := range story {
		text := fmt.Sprintf("%s$ %s\n%s", s.who, paste(s.command, pasted), terminals[i].text())
		b.WriteString(strings.ReplaceAll(text, pasted["$INVITE"], "bodkin1...") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func paste(command string, pasted map[string]string) string {
	for name, text := range pasted {
		command = strings.ReplaceAll(command, name, text)
	}
	return command
}

func takePhotos(dir string, size int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	photo := make([]byte, size)
	for i := range photos {
		rand.Read(photo)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.jpg", i+1)), photo, 0o644); err != nil {
			return err
		}
	}
	return nil
}
