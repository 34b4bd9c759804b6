package natlab

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// scripted builds a packet as packetScript tells.
func scripted(t testing.TB, text string) []byte {
	t.Helper()
	s := &scriptPlayer{TB: t}
	return s.packet(text).bytes()
}

func TestParseReadsTheHeaders(t *testing.T) {
	p, ok := parse(scripted(t, "A:4000 > S:80 SYN+ACK seq=7 ack=9 win=11 len=13 scale=5"))
	if !ok {
		t.Fatal("not parsed")
	}
	if p.src().String() != "10.0.0.2:4000" || p.dst().String() != "198.51.100.1:80" || p.protocol != protoTCP {
		t.Errorf("got protocol %d from %v to %v", p.protocol, p.src(), p.dst())
	}
	if p.seq() != 7 || p.ack() != 9 || p.window() != 11 || p.payloadLength() != 13 || p.end() != 21 ||
		p.flags() != flagSYN|flagACK || p.isSYN() {
		t.Errorf("got seq %d ack %d window %d payload %d end %d flags %v", p.seq(), p.ack(), p.window(),
			p.payloadLength(), p.end(), p.flags())
	}
	if shift, ok := p.windowScale(); shift != 5 || !ok {
		t.Errorf("got window scale %d, %v", shift, ok)
	}
}

func TestPortOfAnEchoBelongsToTheSideThatAsked(t *testing.T) {
	for text, want := range map[string]string{
		"ping A:77 > S":   "10.0.0.2:77 198.51.100.1:0",
		"pong S > A:77":   "198.51.100.1:0 10.0.0.2:77",
		"ping a6:77 > s6": "[2001:db8:1::2]:77 [2001:db8:2::1]:0",
	} {
		p, ok := parse(scripted(t, text))
		if got := p.src().String() + " " + p.dst().String(); !ok || got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestParseRefusesWhatItCannotTranslate(t *testing.T) {
	tcp4 := func() []byte { return scripted(t, "A:4000 > S:80 ACK len=8") }
	tcp6 := func() []byte { return scripted(t, "a6:4000 > s6:80 ACK len=8") }
	edit := func(b []byte, at int, value ...byte) []byte {
		copy(b[at:], value)
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                  nil,
		"version 5":                edit(tcp4(), 0, 0x55),
		"half an IPv4 header":      tcp4()[:19],
		"half an IPv6 header":      tcp6()[:39],
		"header length below 20":   edit(tcp4(), 0, 0x44),
		"header beyond the packet": edit(tcp4(), 0, 0x4f)[:44],
		"IPv4 longer than it is":   tcp4()[:47],
		"IPv6 longer than it is":   tcp6()[:67],
		"length below the header":  edit(tcp4(), 2, 0, 19),
		"first fragment":           edit(tcp4(), 6, 0x20, 0),
		"last fragment":            edit(tcp4(), 6, 0, 1),
		"IPv6 fragment":            edit(tcp6(), 6, 44),
		"endless extensions":       edit(edit(tcp6(), 6, 0), 40, 0, 255),
		"another protocol":         edit(tcp4(), 9, 47),
		"ICMPv6 over IPv4":         edit(tcp4(), 9, 58),
		"ICMP over IPv6":           edit(tcp6(), 6, 1),
		"TCP header below 20":      edit(tcp4(), 32, 4<<4),
		"TCP header beyond":        edit(tcp4(), 32, 8<<4),
		"half a UDP header":        ipPacket(protoUDP, scriptHosts["A"], scriptHosts["S"], make([]byte, 8))[:27],
	} {
		if _, ok := parse(b); ok {
			t.Errorf("%s was parsed", name)
		}
	}
}

func TestParseSkipsOptionsAndExtensions(t *testing.T) {
	segment := scripted(t, "A:4000 > S:80 ACK")[20:]
	v4 := append([]byte{0x46, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 198, 51, 100, 1, 1, 1, 1, 1}, segment...)
	hopByHop := append([]byte{60, 0, 1, 4, 0, 0, 0, 0}, append([]byte{6, 1, 1, 12}, make([]byte, 12)...)...)
	v6 := ipPacket(protoTCP, scriptHosts["a6"], scriptHosts["s6"], append(hopByHop, segment...))
	v6[6] = 0
	copy(v6[40:], hopByHop)
	for name, b := range map[string][]byte{"IPv4 options": v4, "IPv6 extensions": v6} {
		p, ok := parse(b)
		if !ok || p.src().Port() != 4000 || p.dst().Port() != 80 {
			t.Errorf("%s: got %v > %v, %v", name, p.src(), p.dst(), ok)
		}
	}
}

func TestParseCutsOffWhatFollowsThePacket(t *testing.T) {
	b := scripted(t, "A:4000 > S:80 SYN len=4")
	p, ok := parse(append(bytes.Clone(b), "padding"...))
	if !ok || !bytes.Equal(p.raw, b) {
		t.Errorf("got %d bytes, %v; want %d", len(p.raw), ok, len(b))
	}
}

func TestWindowScaleIsFoundAmongOptions(t *testing.T) {
	for _, c := range []struct {
		options string
		shift   uint8
		offered bool
	}{
		{"", 0, false},
		{"\x02\x04\x05\xb4\x04\x02\x08\x0a........\x01\x03\x03\x07", 7, true},
		{"\x03\x03\x0f\x00", 14, true},     // 14 is the limit
		{"\x00\x03\x03\x07", 0, false},     // after the end
		{"\x01\x01\x03\x03", 0, false},     // cut off
		{"\x02\x00\x03\x03\x07", 0, false}, // length below 2
		{"\x03\x02\x01\x01", 0, false},     // wrong length
	} {
		options := c.options + strings.Repeat("\x00", (4-len(c.options)%4)%4)
		body := append(scripted(t, "A:1 > S:2 ACK")[20:], options...)
		body[12] = byte(5+len(options)/4) << 4
		p, _ := parse(ipPacket(protoTCP, scriptHosts["A"], scriptHosts["S"], body))
		if shift, offered := p.windowScale(); shift != c.shift || offered != c.offered {
			t.Errorf("options %q: got %d, %v", c.options, shift, offered)
		}
	}
}

func TestChecksumsStayRightThroughEveryRewrite(t *testing.T) {
	for _, text := range []string{
		"A:4000 > S:80 SYN+ACK seq=7 ack=9 len=101", "udp A:4000 > S:80 len=100", "ping A:4000 > S len=3",
		"pong A > S:7 len=56", "a6:4000 > s6:80 ACK len=7", "udp a6:4000 > s6:80 len=9", "ping a6:4000 > s6",
		"A > S unreachable about udp S:80 > A:4000 len=31", "a6 > s6 exceeded about s6:80 > a6:4000 SYN",
		"A > S exceeded about ping S:80 > A",
	} {
		p, ok := parse(scripted(t, text))
		if !ok {
			t.Fatalf("%s: not parsed", text)
		}
		checkSums(t, &p)
		x, y := scriptHosts["X"], scriptHosts["Y"]
		if !p.is4() {
			x, y = scriptHosts["x6"], scriptHosts["t6"]
		}
		p.setSrc(netip.AddrPortFrom(x, 0xffff))
		checkSums(t, &p)
		p.setDst(netip.AddrPortFrom(y, 0))
		checkSums(t, &p)
		if p.isError() {
			p.setQuotedSrc(netip.AddrPortFrom(y, 1))
			p.setQuotedDst(netip.AddrPortFrom(x, 2))
			checkSums(t, &p)
		}
		if !p.takeHop() {
			t.Errorf("%s: no hop left", text)
		}
		checkSums(t, &p)
	}
}

// A wrong checksum must stay wrong, else a NAT would hide damage; an absent one must stay absent.
func TestWrongAndAbsentChecksumsStayAsTheyAre(t *testing.T) {
	b := scripted(t, "A:4000 > S:80 SYN len=5")
	b[len(b)-1]++
	p, _ := parse(b)
	p.setSrc(netip.AddrPortFrom(scriptHosts["X"], 1))
	before := bytes.Clone(b[36:38])
	p.fillSums()
	if bytes.Equal(before, b[36:38]) {
		t.Error("the checksum of a damaged segment became right")
	}

	b = scripted(t, "udp A:4000 > S:80 len=5")
	b[26], b[27] = 0, 0
	p, _ = parse(b)
	p.setSrc(netip.AddrPortFrom(scriptHosts["X"], 1))
	if b[26]|b[27] != 0 {
		t.Error("a UDP packet without checksum got one")
	}
}

// A UDP checksum that comes out as zero is sent as all ones, for zero means that there is none.
func TestUDPChecksumNeverBecomesZero(t *testing.T) {
	b := scripted(t, "udp A:4000 > S:80")
	for port := range 65536 {
		p, _ := parse(b)
		p.setSrc(netip.AddrPortFrom(scriptHosts["A"], uint16(port)))
		if b[26]|b[27] == 0 {
			t.Fatalf("port %d gave a zero checksum", port)
		}
		if binary.BigEndian.Uint16(b[26:]) == 0xffff {
			checkSums(t, &p)
			return
		}
	}
	t.Error("no port gave the checksum 0xffff")
}

func TestHopsRunOut(t *testing.T) {
	for _, text := range []string{"A:1 > S:2 SYN", "a6:1 > s6:2 SYN"} {
		p, _ := parse(scripted(t, text))
		hops := 0
		for p.takeHop() {
			hops++
		}
		router := scriptHosts["T"]
		if !p.is4() {
			router = scriptHosts["t6"]
		}
		e, ok := parse(icmpTimeExceeded(&p, router))
		if hops != 63 || !ok || errorName(&e) != "exceeded" || e.src().Addr() != router || e.dst().Addr() != p.src().Addr() {
			t.Errorf("%s: %d hops, then %v > %v", text, hops, e.src(), e.dst())
		}
		checkSums(t, &e)
	}
}

func TestErrorsAndResetsAreNotAnswered(t *testing.T) {
	e, _ := parse(scripted(t, "S > X unreachable about X:1 > S:2 SYN"))
	if b := icmpUnreachable(&e, unreachablePort); b != nil {
		t.Error("an ICMP error was answered with one")
	}
	r, _ := parse(scripted(t, "S:1 > X:2 RST"))
	if b := tcpReset(&r); b != nil {
		t.Error("a reset was answered with one")
	}
}
