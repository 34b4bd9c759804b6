package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestTheArticlesTest is the one that Bodkin's origin ends with, with separate processes: a server in a public place and two
// clients behind NATs, which find each other by the login event alone. They exchange text; the server is killed; they go on.
func TestTheArticlesTest(t *testing.T) {
	nats := map[string]natlab.Behavior{
		"full cone":            natlab.FullCone(),
		"restricted cone":      natlab.RestrictedCone(),
		"port-restricted cone": natlab.PortRestrictedCone(),
		"linux":                natlab.Linux(),
	}
	for name, behavior := range nats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := natlab.Test(t, natlab.Config{})
			s := lab.Host("s", natlab.At("203.0.113.10"), natlab.Delay(10*time.Millisecond))
			natA := lab.NAT("natA", behavior, natlab.Delay(10*time.Millisecond))
			natB := lab.NAT("natB", behavior, natlab.Delay(15*time.Millisecond))
			hosts := map[string]*natlab.Host{"s": s, "ada": natA.Host("ada"), "ben": natB.Host("ben")}
			homes := t.TempDir()
			run := func(who, pattern string, args ...string) *process {
				return onHost(t, hosts[who], pattern, append([]string{"--home", filepath.Join(homes, who)}, args...)...)
			}

			server := run("s", "^invite: bodkin1", "server", "--relay=false")
			text, _ := server.output.now()
			invite := strings.TrimPrefix(regexp.MustCompile("(?m)^invite: .*$").FindString(text), "invite: ")
			chats := map[string]*process{}
			for _, who := range []string{"ada", "ben"} {
				run(who, "^joined as "+who, "join", "--name", who, invite)
				run(who, "^"+who+" is up", "up", "--mesh")
				chats[who] = run(who, "^. you are "+who, "chat")
			}
			check(t, chats["ada"].await("^. ben is here, direct to "+natB.Addr().String()))
			check(t, chats["ben"].await("^. ada is here, direct to "+natA.Addr().String()))
			exchange := func(from, to, line string) {
				t.Helper()
				_, err := io.WriteString(chats[from].stdin, line+"\n")
				check(t, err)
				check(t, chats[to].await("^"+from+": "+line+"$"))
			}
			exchange("ada", "ben", "hello from ada")
			exchange("ben", "ada", "hello from ben")

			check(t, server.cmd.Process.Kill())
			<-server.ended
			before := lab.Payload(natA.Addr(), natB.Addr())
			exchange("ada", "ben", "the server is dead")
			exchange("ben", "ada", "so what")
			if lab.Payload(natA.Addr(), natB.Addr()) == before {
				t.Error("the lab saw nothing between the two NATs")
			}
		})
	}
}

// onHost starts bodkin on a host and waits until it has printed pattern.
func onHost(t *testing.T, host *natlab.Host, pattern string, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath("bodkin")
	check(t, err)
	cmd := host.Command(t.Context(), path, args...)
	p, err := newProcess(cmd.Cmd, cmd.Start)
	check(t, err)
	t.Cleanup(func() {
		if text := p.end(); t.Failed() {
			t.Logf("[bodkin %s]\n%s", strings.Join(args, " "), text)
		}
	})
	check(t, p.await(pattern))
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
