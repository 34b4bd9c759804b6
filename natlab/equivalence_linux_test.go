package natlab

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
)

// like is the Behavior that ought to do what a kernel NAT does.
func like(k Kernel) Behavior {
	b := Linux()
	if k.Masquerade != MasqueradeKeep {
		b = LinuxRandom()
	}
	if k.Firewall != FirewallDrop {
		b.Unsolicited = UnsolicitedReset
	}
	if k.Liberal {
		b.Checking = CheckStates
	}
	return b
}

var probes = []struct {
	name string
	of   Kernel
	run  func(x *scene) string
	want string
}{
	{"one local port keeps its mapping to all destinations", Kernel{},
		ports("a s4000", "a s4001", "a r4000"), "kept kept kept"},
	{"random masquerading changes it for each", Kernel{Masquerade: MasqueradeRandom},
		ports("a s4000", "a s4001", "a r4000"), "new new new"},
	{"two hosts share a port to different destinations", Kernel{},
		ports("a s4000", "b r4000"), "kept kept"},
	{"after a clash the new port is kept for later destinations", Kernel{},
		ports("a s4000", "b s4000", "b s4001", "b r4000"), "kept new same same"},
	{"a clash shifts later destinations of a port that was kept", Kernel{},
		ports("a s4000", "b r4000", "b s4000", "b r4001"), "kept kept new same"},

	{"an unsolicited SYN is dropped", Kernel{},
		unsolicited, "silence silence silence"},
	{"an unsolicited SYN is rejected", Kernel{Firewall: FirewallReject},
		unsolicited, "refused refused refused"},
	{"an unsolicited SYN is refused without a firewall, too", Kernel{Firewall: FirewallNone},
		unsolicited, "refused refused refused"},

	{"simultaneous open crosses", Kernel{},
		simultaneous(100*time.Millisecond, 0), "ok ok"},
	{"simultaneous open comes late", Kernel{},
		simultaneous(25*time.Millisecond, 300*time.Millisecond), "ok ok"},
	{"simultaneous open crosses where unsolicited SYNs are rejected", Kernel{Firewall: FirewallReject},
		simultaneous(100*time.Millisecond, 10*time.Millisecond), "ok ok"},
	{"simultaneous open comes too late where unsolicited SYNs are rejected", Kernel{Firewall: FirewallReject},
		simultaneous(25*time.Millisecond, 300*time.Millisecond), "refused refused"},

	{"a listener in a hole made by another socket is cut off by its sequence number", Kernel{},
		listenAfterDial, "silence silence"},
	{"a listener in a hole made by another socket is reached with liberal checks", Kernel{Liberal: true},
		listenAfterDial, "silence connected"},

	{"a reset that is the only answer closes the hole", Kernel{}, func(x *scene) string {
		return words(x.dial(x.a, 40000, x.endpoint(x.s, 4444)), x.knock())
	}, "refused kept out"},
	{"a SYN without answer leaves the hole open", Kernel{}, func(x *scene) string {
		return words(x.unanswered(), x.knock())
	}, "silence let in"},
	{"a SYN without answer leaves the hole open for two minutes only", Kernel{}, func(x *scene) string {
		first := x.unanswered()
		x.must(x.nat.Age(121 * time.Second))
		return words(first, x.knock())
	}, "silence kept out"},
	{"a reboot closes the hole", Kernel{}, func(x *scene) string {
		first := x.unanswered()
		x.must(x.nat.Reboot())
		return words(first, x.knock())
	}, "silence kept out"},
	{"time exceeded ends the dial and leaves the hole open", Kernel{}, func(x *scene) string {
		return words(x.dialTTL(x.a, 40000, x.endpoint(x.s, 4444), 2), x.knock())
	}, "unreachable let in"},

	{"the external address is refused from inside", Kernel{}, func(x *scene) string {
		return words(x.dial(x.a, 40000, x.endpoint(x.s, 4000)), x.dial(x.b, 40001, x.mapped(40000)))
	}, "connected refused"},
	{"a connection outlives a reboot if the inside speaks first", Kernel{},
		speakAfterReboot(true), "ok ok"},
	{"a connection is cut off by a reboot if the outside speaks first", Kernel{},
		speakAfterReboot(false), "ok silence"},
	{"an injected reset ends the connection", Kernel{}, func(x *scene) string {
		c, err := dialFrom(x.t.Context(), x.a, 40000, x.endpoint(x.s, 4000))
		x.must(err)
		defer c.Close()
		before := exchange(c)
		x.must(x.lab.Reset(x.endpoint(x.s, 4000), x.mapped(40000)))
		c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
		return words(before, outcomeOf(err))
	}, "ok reset"},
}

// ports connects from the local port 40000 of hosts, in turn, and tells each external port in a word
// that is the same for all runs. A step such as "a s4000" is from host a to port 4000 of s.
func ports(steps ...string) func(*scene) string {
	return func(x *scene) string {
		const local = 40000
		var told []string
		seen := make(map[uint16]bool)
		for _, step := range steps {
			from := map[byte]*Host{'a': x.a, 'b': x.b}[step[0]]
			server := map[byte]*Host{'s': x.s, 'r': x.r}[step[2]]
			port, err := strconv.Atoi(step[3:])
			x.must(err)
			to := x.endpoint(server, uint16(port))
			word := x.dial(from, local, to)
			if word == "connected" {
				port := x.external(to).Port()
				switch {
				case port == local:
					word = "kept"
				case seen[port]:
					word = "same"
				default:
					word = "new"
				}
				seen[port] = true
			}
			told = append(told, word)
		}
		return words(told...)
	}
}

func TestGoAndKernelMasqueradingBehaveTheSame(t *testing.T) {
	for _, probe := range probes {
		for _, kind := range []string{"go", "kernel"} {
			t.Run(kind+"/"+probe.name, func(t *testing.T) {
				t.Parallel()
				stopwatch.Met(t, func() error { // what comes too late is taken for silence
					x := newScene(t, func(l *Lab) *NAT {
						if kind == "go" {
							return l.NAT("nat", like(probe.of))
						}
						needNFT(t)
						return l.KernelNAT("nat", probe.of)
					})
					x.of = probe.of
					if got := probe.run(x); got != probe.want {
						return fmt.Errorf("got %s, want %s", got, probe.want)
					}
					return nil
				})
			})
		}
	}
}

// unsolicited dials a mapped port from elsewhere: from another port, another host, and a port that
// is not mapped.
func unsolicited(x *scene) string {
	if got := x.dial(x.a, 40000, x.endpoint(x.s, 4000)); got != "connected" {
		return got
	}
	return words(x.dial(x.s, 5000, x.mapped(40000)), x.dial(x.r, 4000, x.mapped(40000)),
		x.dial(x.r, 4000, x.mapped(41000)))
}

// simultaneous opens from inside and outside with one-way delay c, the outside later by skew.
func simultaneous(c, skew time.Duration) func(*scene) string {
	return func(x *scene) string {
		peer := x.lab.NAT("peer", like(x.of))
		host := peer.Host("p")
		x.must(x.lab.SetDelay(x.nat, peer, c))
		other := netip.AddrPortFrom(peer.Addr(), 40000)
		onA, onB := openSimultaneously(x.t, x.a, host, x.mapped(40000), other, skew)
		return words(outcomeOf(onA.err), outcomeOf(onB.err))
	}
}

// listenAfterDial opens a hole with a socket that is closed again, and listens in its place
// .
func listenAfterDial(x *scene) string {
	first := x.unanswered()
	x.listen(x.a, 40000)
	return words(first, x.dial(x.s, 4444, x.mapped(40000)))
}

// speakAfterReboot exchanges bytes before and after the NAT has forgotten the connection.
func speakAfterReboot(insideFirst bool) func(*scene) string {
	return func(x *scene) string {
		l := x.listen(x.s, 4002)
		c, err := dialFrom(x.t.Context(), x.a, 40000, x.endpoint(x.s, 4002))
		x.must(err)
		defer c.Close()
		far, err := l.Accept()
		x.must(err)
		defer far.Close()
		before := pass(c, far)
		settle(x.t, x.lab)
		x.must(x.nat.Reboot())
		if insideFirst {
			return words(before, pass(c, far))
		}
		return words(before, pass(far, c))
	}
}
