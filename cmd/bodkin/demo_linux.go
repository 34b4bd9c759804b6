package main

import (
	"context"
	"os/exec"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One-way delays of the lab, as between three cities.
const (
	delayAdaServer = 20 * time.Millisecond
	delayBenServer = 30 * time.Millisecond
	delayAdaBen    = 25 * time.Millisecond
)

// labStage is a server on the internet, and two nodes behind one NAT each.
type labStage struct {
	lab              *natlab.Lab
	server, ada, ben *natlab.Host
	adaNAT, benNAT   *natlab.NAT
}

func newLabStage() (stage, error) {
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return nil, err
	}
	s := &labStage{lab: lab}
	s.server = lab.Host("server", natlab.At("203.0.113.10"))
	s.adaNAT = lab.NAT("ada's NAT", natlab.PortRestrictedCone(), natlab.At("198.51.100.1"), natlab.Inside("192.168.1.0/24"))
	s.ada = s.adaNAT.Host("ada", natlab.At("192.168.1.20"))
	s.benNAT = lab.NAT("ben's NAT", natlab.Linux(), natlab.At("198.51.100.77"), natlab.Inside("10.0.0.0/24"))
	s.ben = s.benNAT.Host("ben", natlab.At("10.0.0.5"))
	lab.SetDelay(s.ada, s.server, delayAdaServer) // mistakes are all in lab.Err
	lab.SetDelay(s.ben, s.server, delayBenServer)
	lab.SetDelay(s.ada, s.ben, delayAdaBen)
	if err := lab.Err(); err != nil {
		lab.Close()
		return nil, err
	}
	return s, nil
}

func (s *labStage) name() string { return "natlab" }

func (s *labStage) describe(story *story) {
	story.picture(`
                     server  203.0.113.10
                      /             \
               20 ms /               \ 30 ms
                    /                 \
 198.51.100.1   ada's NAT --25 ms-- ben's NAT   198.51.100.77
                    |                 |
 192.168.1.20      ada               ben        10.0.0.5
`)
	story.paragraph("Every host is a network namespace of this machine, and every NAT a program that\n" +
		"translates its packets. The delays are one-way.\n" +
		"  ada's NAT: a port-restricted cone. Mapping endpoint-independent, filtering\n" +
		"             address-and-port-dependent: only who was written to may answer.\n" +
		"  ben's NAT: a Linux router. As strict, and it checks TCP's windows as well.")
}

func (s *labStage) start(ctx context.Context, who string, cmd *exec.Cmd) error {
	host := map[string]*natlab.Host{"server": s.server, "ada": s.ada, "ben": s.ben}[who]
	inside := host.Command(ctx, cmd.Path)
	inside.Cmd = cmd
	return inside.Start()
}

func (s *labStage) serverAddr() string { return s.server.Addr().String() }

// floor is 2a + 4c: the way to the server and, by way of it, to the other node; then TCP's and TLS's round trips between
// the two (docs/protocol.md).
func (s *labStage) floor() time.Duration { return 2*delayAdaServer + 4*delayAdaBen }

func (s *labStage) traffic() *traffic {
	return &traffic{
		direct:    s.lab.Payload(s.adaNAT.Addr(), s.benNAT.Addr()),
		viaServer: s.lab.Payload(s.adaNAT.Addr(), s.server.Addr()) + s.lab.Payload(s.benNAT.Addr(), s.server.Addr()),
	}
}

func (s *labStage) close() { s.lab.Close() }
