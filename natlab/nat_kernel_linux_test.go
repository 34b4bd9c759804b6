package natlab

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// The scripts for Linux and its variants run on the kernel, too: a namespace that masquerades between
// two interfaces gets the packets of the script and must send what the Go code sends.

// scriptKernels are the kernel NATs that have a Behavior.
func scriptKernels() map[Behavior]Kernel {
	liberal := Linux()
	liberal.Checking = CheckStates
	return map[Behavior]Kernel{
		Linux():       {},
		LinuxReject(): {Firewall: FirewallReject},
		LinuxRandom(): {Masquerade: MasqueradeRandom},
		liberal:       {Liberal: true},
	}
}

// playOnKernel runs a script on the kernel, if the behavior is one of Linux's and the script only needs
// what a kernel can do: time passes for it at most once, when its entries are removed.
func playOnKernel(t *testing.T, b Behavior, script string) {
	k, ok := scriptKernels()[b]
	if !ok || strings.Contains(script, "renumber") || strings.Count(script, "\n+")+strings.Count(script, "\t+") > 1 {
		return
	}
	t.Run("kernel", func(t *testing.T) {
		playOn(t, newKernelScript(t, k), script)
	})
}

// kernelScript is a kernel NAT for scripts.
type kernelScript struct {
	testing.TB
	box    *kernelBox
	frames frames
	marks  byte
}

func newKernelScript(t *testing.T, k Kernel) *kernelScript {
	t.Helper()
	if _, err := findNFT(); err != nil && !required() {
		t.Skip(err)
	}
	lab := Test(t, Config{})
	s := &kernelScript{TB: t, box: &kernelBox{router: &Host{name: "nat", lab: lab}}}
	var err error
	check := func() {
		if err != nil {
			t.Fatal(err)
		}
	}
	space, err := lab.newHostSpace()
	check()
	s.box.router.space = space
	err = s.box.router.Do(func() error { return forwarding(k) })
	check()
	err = s.box.router.Sysctl("net.ipv4.icmp_ratelimit", "0")
	check()
	everybody := []netip.Addr{netip.IPv4Unspecified()}
	s.box.wan, err = lab.newInterface(space, "wan", ifconfig{[]netip.Prefix{netip.PrefixFrom(scriptHosts["X"], 32)}, everybody})
	check()
	t.Cleanup(func() { s.box.wan.close() })
	s.box.lan, err = lab.newInterface(space, "lan", ifconfig{[]netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, nil})
	check()
	t.Cleanup(func() { s.box.lan.close() })
	err = k.load(s.box.router)
	check()
	return s
}

func (s *kernelScript) outbound(_ time.Time, pkt []byte) verdict {
	s.box.lan.write(s.frames.clone(pkt))
	return s.collect()
}

func (s *kernelScript) inbound(_ time.Time, pkt []byte) verdict {
	s.box.wan.write(s.frames.clone(pkt))
	return s.collect()
}

// expire has nothing to tell: a kernel holds no SYNs.
func (s *kernelScript) expire(time.Time) verdict { return verdict{} }

func (s *kernelScript) setExternal([]netip.Addr) { s.Fatal("the address of the kernel NAT is fixed") }

func (s *kernelScript) reboot() {
	if err := s.box.reboot(); err != nil {
		s.Fatal(err)
	}
}

// pass removes what has timed out in d.
func (s *kernelScript) pass(d time.Duration) {
	if err := s.box.age(d); err != nil {
		s.Fatal(err)
	}
}

// collect returns what the kernel has sent. On each side it waits for a mark that was made after it.
func (s *kernelScript) collect() verdict {
	s.marks++
	mark := []byte("mark that was made after the packet of the script: " + string(rune('A'+s.marks)))
	out := append([]byte{0, 9, 0, 9, 0, byte(8 + len(mark)), 0, 0}, mark...)
	ping := append([]byte{8, 0, 0, 0, 0, 9, 0, 9}, mark...)
	s.box.lan.write(s.frames.clone(ipPacket(protoUDP, scriptHosts["C"], scriptHosts["T"], out)))
	s.box.lan.write(s.frames.clone(ipPacket(protoICMP, scriptHosts["C"], netip.MustParseAddr("10.0.0.1"), ping)))
	return verdict{inside: s.until(s.box.lan, mark), outside: s.until(s.box.wan, mark)}
}

func (s *kernelScript) until(d *device, mark []byte) (before [][]byte) {
	d.file.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := d.read()
		switch {
		case err != nil:
			s.Fatalf("the mark did not come: %v", err)
		case bytes.HasSuffix(f.data, mark):
			return before
		}
		before = append(before, f.data)
	}
}

// What the kernel and the Go code make of segments that nobody would think of.
func TestKernelAndGoAgreeOnRandomSegments(t *testing.T) {
	const connections, segments = 100, 16
	for b, k := range scriptKernels() {
		if b.Allocation == PortRandom {
			continue // the two choose different ports
		}
		t.Run(b.String(), func(t *testing.T) {
			kernel, dice := newKernelScript(t, k), rand.New(rand.NewPCG(7, 11))
			for port := range connections {
				n := testNAT(b, "X")
				history := ""
				for range segments {
					p := randomSegment(dice, 20000+port)
					got, want := feed(n, p.bytes()), feed(kernel, p.bytes())
					history += p.String() + "\n"
					if got != want {
						t.Fatalf("after\n%sthe Go code sends %s, the kernel %s", history, got, want)
					}
				}
				if got, want := entryOf(n), kernel.entry(); !got.isAbout(want) {
					t.Fatalf("after\n%sthe Go code has %v, the kernel %v", history, got, want)
				}
				kernel.reboot()
			}
		})
	}
}

// scriptEntry is the state of the only TCP connection of a NAT, and how long it may be idle.
type scriptEntry struct {
	state   tcpState
	timeout time.Duration
}

// isAbout reports whether two entries are the same, but for the time that a test takes.
func (e scriptEntry) isAbout(other scriptEntry) bool {
	return e.state == other.state && (e.timeout-other.timeout).Abs() <= 3*time.Second
}

func entryOf(n *nat) scriptEntry {
	for _, s := range n.outgoing {
		return scriptEntry{s.tcp.state, s.expires.Sub(testTime)}
	}
	return scriptEntry{}
}

func (s *kernelScript) entry() (e scriptEntry) {
	s.Helper()
	err := s.box.router.Do(func() error {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
		for _, flow := range flows {
			if tcp, ok := flow.ProtoInfo.(*netlink.ProtoInfoTCP); ok {
				e = scriptEntry{tcpState(tcp.State), time.Duration(flow.TimeOut) * time.Second}
			}
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return e
}

// randomSegment makes a segment between A and S of some of the numbers that occur in a connection.
func randomSegment(dice *rand.Rand, port int) packetScript {
	pick := func(numbers ...int) int { return numbers[dice.IntN(len(numbers))] }
	p := packetScript{kind: "tcp", from: scriptEnd{addr: scriptHosts["A"], port: port},
		to: scriptEnd{addr: scriptHosts["S"], port: 80}, numbers: map[string]int{}}
	mine, other := pick(100, 100, 100, 900000), pick(5000, 5000, 5000, 700000)
	if dice.IntN(2) == 0 {
		p.from, p.to = p.to, scriptEnd{addr: scriptHosts["X"], port: port}
		mine, other = other, mine
	}
	syn, ack := flagSYN, flagACK
	p.flags = []tcpFlags{syn, syn, syn | ack, syn | ack, ack, ack, ack, ack, flagFIN | ack, flagRST, flagRST | ack,
		flagFIN, flagSYN | flagFIN, 0, ack | flagPSH | flagURG}[dice.IntN(15)]
	p.numbers["seq"], p.numbers["win"] = mine, pick(0, 100, 1000, 60000, 60000)
	if p.flags&syn == 0 {
		p.numbers["seq"] = pick(mine+1, mine+1, mine+11, mine, 0)
		p.numbers["len"] = pick(0, 0, 10, 1000)
	} else if dice.IntN(2) == 0 {
		p.numbers["scale"] = pick(0, 7)
	}
	if p.flags&ack != 0 {
		p.numbers["ack"] = pick(other+1, other+1, other+1, other+11, other, 0)
	}
	return p
}

// feed gives a NAT a packet, and tells what it sends.
func feed(n scriptNAT, raw []byte) string {
	p, _ := parse(raw)
	if isInside(p.from.Addr()) {
		return describe(n.outbound(testTime, raw))
	}
	return describe(n.inbound(testTime, raw))
}
