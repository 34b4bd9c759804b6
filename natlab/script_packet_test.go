package natlab

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A packetScript is a packet as a script tells it:
//
//	[udp|ping|pong] SOURCE > DESTINATION [FLAGS] [seq=N] [ack=N] [win=N] [scale=N] [len=N] [about PACKET]
//
// It is TCP unless told otherwise; "unreachable" and "exceeded" in place of flags are ICMP errors, of
// which the rest of the line is the packet they quote. In a result only the numbers that are given
// are compared, and the port * fits any. A port that is a word, such as X:p, is given its number by the
// first result; different words have different numbers. X:p+1 is the port after it.
type packetScript struct {
	kind     string // "tcp", "udp", "ping", "pong", or the name of an error
	from, to scriptEnd
	flags    tcpFlags
	numbers  map[string]int
	about    *packetScript
}

// scriptEnd is one end of a packet in a script.
type scriptEnd struct {
	addr netip.Addr
	port int    // unless name is set
	name string // of a port not known yet, or *
}

var scriptHosts = map[string]netip.Addr{
	"A": netip.MustParseAddr("10.0.0.2"), "B": netip.MustParseAddr("10.0.0.3"), "C": netip.MustParseAddr("10.0.0.4"),
	"X": netip.MustParseAddr("203.0.113.1"), "Y": netip.MustParseAddr("203.0.113.2"), "Z": netip.MustParseAddr("203.0.113.3"),
	"S": netip.MustParseAddr("198.51.100.1"), "T": netip.MustParseAddr("198.51.100.2"),
	"a6": netip.MustParseAddr("2001:db8:1::2"), "b6": netip.MustParseAddr("2001:db8:1::3"),
	"x6": netip.MustParseAddr("2001:db8:cafe::1"),
	"s6": netip.MustParseAddr("2001:db8:2::1"), "t6": netip.MustParseAddr("2001:db8:2::2"),
}

func (s *scriptPlayer) packet(text string) packetScript {
	p := packetScript{kind: "tcp", numbers: map[string]int{}}
	text, about, isError := strings.Cut(text, " about ")
	if isError {
		q := s.packet(about)
		p.about = &q
	}
	words := strings.Fields(text)
	if slices.Contains([]string{"udp", "ping", "pong"}, words[0]) {
		p.kind, words = words[0], words[1:]
	}
	if len(words) < 3 || words[1] != ">" {
		s.Fatalf("script: %q is no packet", text)
	}
	p.from, p.to = s.end(words[0]), s.end(words[2])
	for _, w := range words[3:] {
		name, value, isNumber := strings.Cut(w, "=")
		switch flags := flagsOf(w); {
		case isNumber:
			p.numbers[name] = s.number(value)
		case flags != 0:
			p.flags = flags
		case w == "unreachable" || w == "exceeded":
			p.kind = w
		default:
			s.Fatalf("script: %q in %q means nothing", w, text)
		}
	}
	return p
}

// String is a TCP packet in the words of a script.
func (p packetScript) String() string {
	name := func(e scriptEnd) string {
		for name, addr := range scriptHosts {
			if addr == e.addr {
				return fmt.Sprintf("%s:%d", name, e.port)
			}
		}
		return e.addrPort().String()
	}
	text := fmt.Sprintf("%s > %s %v", name(p.from), name(p.to), p.flags)
	for _, number := range slices.Sorted(maps.Keys(p.numbers)) {
		text += fmt.Sprintf(" %s=%d", number, p.numbers[number])
	}
	return text
}

// flagsOf reads flags as they are written by tcpFlags.String.
func flagsOf(text string) tcpFlags {
	for f := tcpFlags(1); f < 1<<6; f++ {
		if f.String() == text {
			return f
		}
	}
	return 0
}

func (s *scriptPlayer) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.Fatalf("script: %v", err)
	}
	return n
}

func (s *scriptPlayer) end(text string) scriptEnd {
	host, port, _ := strings.Cut(text, ":")
	addr, ok := scriptHosts[host]
	if !ok {
		s.Fatalf("script: no host %q", host)
	}
	name, plus, isSum := strings.Cut(port, "+")
	known, ok := s.ports[name]
	switch {
	case ok && isSum:
		return scriptEnd{addr: addr, port: known + s.number(plus)}
	case ok:
		return scriptEnd{addr: addr, port: known}
	case port == "":
		return scriptEnd{addr: addr}
	case port[0] >= '0' && port[0] <= '9':
		return scriptEnd{addr: addr, port: s.number(port)}
	}
	return scriptEnd{addr: addr, name: port}
}

// bytes builds the packet. Numbers not given are seq=1000, ack=0, win=65535, len=0.
func (p packetScript) bytes() []byte {
	number := func(name string, otherwise int) uint32 {
		if n, ok := p.numbers[name]; ok {
			return uint32(n)
		}
		return uint32(otherwise)
	}
	payload := make([]byte, number("len", 0))
	for i := range payload {
		payload[i] = byte(i)
	}
	ports := binary.BigEndian.AppendUint16(nil, uint16(p.from.port))
	ports = binary.BigEndian.AppendUint16(ports, uint16(p.to.port))
	switch p.kind {
	case "tcp":
		body := binary.BigEndian.AppendUint32(ports, number("seq", 1000))
		body = binary.BigEndian.AppendUint32(body, number("ack", 0))
		body = append(body, 5<<4, byte(p.flags))
		body = binary.BigEndian.AppendUint16(body, uint16(number("win", 65535)))
		body = append(body, 0, 0, 0, 0)
		if scale, ok := p.numbers["scale"]; ok {
			body[12] = 6 << 4
			body = append(body, 1, 3, 3, byte(scale))
		} else if p.flags.has(flagSYN) {
			body[12] = 6 << 4
			body = append(body, 2, 4, 5, 180) // maximum segment size: a SYN has always some option
		}
		return ipPacket(protoTCP, p.from.addr, p.to.addr, append(body, payload...))
	case "udp":
		body := binary.BigEndian.AppendUint16(ports, uint16(8+len(payload)))
		return ipPacket(protoUDP, p.from.addr, p.to.addr, append(append(body, 0, 0), payload...))
	case "ping":
		return p.icmp(8, 128, append([]byte{ports[0], ports[1], 0, 1}, payload...))
	case "pong":
		return p.icmp(0, 129, append([]byte{ports[2], ports[3], 0, 1}, payload...))
	case "unreachable":
		return p.icmp(3, 1, append(make([]byte, 4), p.about.bytes()...))
	default: // "exceeded"
		return p.icmp(11, 3, append(make([]byte, 4), p.about.bytes()...))
	}
}

// icmp builds an ICMP packet of the type for the family, from what comes after type, code and sum.
func (p packetScript) icmp(v4, v6 byte, rest []byte) []byte {
	if p.to.addr.Is4() {
		return ipPacket(protoICMP, p.from.addr, p.to.addr, append([]byte{v4, 0, 0, 0}, rest...))
	}
	return ipPacket(protoICMPv6, p.from.addr, p.to.addr, append([]byte{v6, 0, 0, 0}, rest...))
}

// fits reports whether got is the packet that the script tells.
func (s *scriptPlayer) fits(want packetScript, got *packet) bool {
	if !s.endFits(want.from, got.from) || !s.endFits(want.to, got.to) {
		return false
	}
	switch want.kind {
	case "tcp":
		return got.protocol == protoTCP && got.flags() == want.flags &&
			want.numberFits("seq", got.seq()) && want.numberFits("ack", got.ack())
	case "udp":
		return got.protocol == protoUDP
	case "ping":
		return got.isEchoRequest()
	case "pong":
		return got.isEchoReply()
	}
	if !got.isError() || errorName(got) != want.kind {
		return false
	}
	if want.about == nil {
		return true
	}
	q, ok := got.quoted()
	return ok && s.endFits(want.about.from, q.from) && s.endFits(want.about.to, q.to)
}

// errorName is the word for an ICMP error in scripts.
func errorName(p *packet) string {
	switch {
	case p.isICMP(3, 1):
		return "unreachable"
	case p.isICMP(11, 3):
		return "exceeded"
	}
	return "another error"
}

func (s *scriptPlayer) endFits(want scriptEnd, got netip.AddrPort) bool {
	if want.addr != got.Addr() {
		return false
	}
	port := int(got.Port())
	switch want.name {
	case "":
		return want.port == port
	case "*":
		return true
	}
	for _, other := range s.ports {
		if other == port {
			return false
		}
	}
	s.ports[want.name] = port
	return true
}

func (p packetScript) numberFits(name string, got uint32) bool {
	want, ok := p.numbers[name]
	return !ok || uint32(want) == got
}

func (e scriptEnd) addrPort() netip.AddrPort { return netip.AddrPortFrom(e.addr, uint16(e.port)) }
