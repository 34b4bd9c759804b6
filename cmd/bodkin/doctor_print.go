package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// printDiagnosis tells a person: the verdict first, then the network, who can be reached, what would help, and the evidence.
func printDiagnosis(to io.Writer, d bodkin.Diagnosis) error {
	style := styleOf(to)
	out := bufio.NewWriter(to)
	section := func(name string) { fmt.Fprintf(out, "\n%s\n", style.bold(name)) }
	fmt.Fprintln(out, style.bold(verdict(d)))
	if !d.Complete {
		fmt.Fprintln(out, "Not everything could be measured in time; what follows may be incomplete.")
	}

	width, narrow := lineWidth, isTerminal(to)
	if narrow {
		width = max(leastWidth, min(width, terminalWidth(to)))
	}
	section("This network")
	for _, line := range networkLines(d) {
		text := printable(line[1])
		if narrow {
			text = wrapped(text, "            ", width)
		}
		fmt.Fprintf(out, "  %-8s  %s\n", line[0], text)
	}
	if len(d.Prospects) > 0 {
		section("Peers behind other networks")
		for i, p := range d.Prospects {
			mark := style.good("direct ")
			if !p.Direct {
				mark = style.bad(byRelay(d))
			}
			fmt.Fprintf(out, "  %s  %s\n", mark, p.Peers)
			note := noteOf(p)
			isLast := i == len(d.Prospects)-1 || noteOf(d.Prospects[i+1]) != note
			if note != "" && isLast { // of several with the same note
				fmt.Fprintf(out, "           %s\n", style.faint(wrapped(note, "           ", width)))
			}
		}
	}
	if len(d.Advice) > 0 {
		section("What would help")
		for _, advice := range d.Advice {
			fmt.Fprintf(out, "  - %s\n", wrapped(printable(advice), "    ", width))
		}
	}
	if len(d.Samples)+len(d.DialBacks) > 0 {
		section("Evidence")
		for _, s := range d.Samples {
			fmt.Fprintf(out, "  from %v to %v: seen as %v\n", s.Local, s.Server, s.Seen)
		}
		for _, b := range d.DialBacks {
			fmt.Fprintf(out, "  the server dialled %v from %v: %s\n", b.To, b.From, b.Answer)
		}
	}
	return out.Flush()
}

// byRelay is how peers are reached to whom there is no direct way.
func byRelay(d bodkin.Diagnosis) string {
	if d.Relay == bodkin.RelayNever {
		return "none   "
	}
	return "relay  "
}

// noteOf is what is to be said of a prospect beyond its name.
func noteOf(p bodkin.Prospect) string {
	switch {
	case !p.Direct:
		return p.Why
	case p.How == "prediction":
		return "by predicting the external port"
	case p.How == "search":
		return "by searching among random ports, which takes some seconds"
	}
	return ""
}

// networkLines is what is known of the network, a name and words for each.
func networkLines(d bodkin.Diagnosis) [][2]string {
	var lines [][2]string
	add := func(name, format string, args ...any) {
		lines = append(lines, [2]string{name, fmt.Sprintf(format, args...)})
	}
	server := d.Server
	if d.RTT > 0 {
		server += ", " + shortTime(d.RTT) + " away"
	}
	if d.Reflexive.IsValid() && !d.Proxied {
		server += fmt.Sprintf("; it sees this machine at %v", d.Reflexive)
	}
	add("server", "%s", server)
	for name, b := range families(d) {
		if b.Mapping == "unknown" {
			if name == "IPv6" {
				add(name, "none, or none to the server")
			}
			continue
		}
		for _, words := range behaviorLines(b) {
			add(name, "%s", words)
			name = ""
		}
	}
	switch m := d.PortMapping; {
	case m.Proven:
		add("router", "forwards %v to this machine (%s), and the server has come in there", m.External, m.Protocol)
	case m.Problem != "":
		add("router", "%s", m.Problem)
	case m.Protocol != "":
		add("router", "says it forwards %v (%s); not proven", m.External, m.Protocol)
	default:
		add("router", "has not answered yet")
	}
	return lines
}

// families goes through both address families in their order.
func families(d bodkin.Diagnosis) func(yield func(string, bodkin.Behavior) bool) {
	return func(yield func(string, bodkin.Behavior) bool) {
		_ = yield("IPv4", d.IPv4) && yield("IPv6", d.IPv6)
	}
}

// behaviorLines is a behaviour in plain words, the classic name first.
func behaviorLines(b bodkin.Behavior) []string {
	lines := []string{b.Classic}
	add := func(known bool, format string, args ...any) {
		if known {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	if b.Proxied {
		return append(lines, "a transparent proxy answers for everybody that this machine connects to")
	}
	mapping := map[string]string{
		"none":                       "no NAT: the address is this machine's own",
		"endpoint-independent":       "mapping endpoint-independent: one external port for everybody",
		"address-dependent":          "mapping address-dependent: another external port for each address",
		"address-and-port-dependent": "mapping address-and-port-dependent: another external port for each connection",
	}
	add(mapping[b.Mapping] != "", "%s", mapping[b.Mapping])
	filtering := map[string]string{
		"none":                       "nothing is filtered: everybody can connect to this machine",
		"endpoint-independent":       "filtering endpoint-independent: whoever knows the external port can connect",
		"address-dependent":          "filtering address-dependent: only addresses come in that this machine has sent to",
		"address-and-port-dependent": "filtering address-and-port-dependent: only endpoints come in that this machine has sent to",
	}
	add(filtering[b.Filtering] != "", "%s", filtering[b.Filtering])
	unsolicited := map[string]string{
		"dropped": "who is not let in gets no answer",
		"reset":   "who is not let in gets a reset",
		"icmp":    "who is not let in gets an ICMP message",
	}
	add(unsolicited[b.Unsolicited] != "", "%s", unsolicited[b.Unsolicited])
	if b.Mapping != "none" {
		switch b.Allocation {
		case "preserving":
			add(true, "external ports are those inside")
		case "delta":
			others := ""
			if b.Rate > 0 {
				others = fmt.Sprintf("; others open %d connections a second", b.Rate)
			}
			add(true, "external ports are counted, in steps of %d%s", b.Delta, others)
		case "block":
			add(true, "external ports come from the block %d-%d", b.BlockFirst, b.BlockLast)
		case "random":
			add(true, "external ports are random")
		}
		add(b.Pooling == "arbitrary", "several external addresses take turns: the next one cannot be told")
		add(b.Hairpin == "yes", "hairpinning works: a peer in this network can be reached at its external address")
		add(b.Hairpin == "no", "no hairpinning: a peer in this network cannot be reached at its external address")
	}
	add(b.Lifetime > 0, "an idle connection stays open for %v at least", b.Lifetime.Round(time.Second))
	return lines
}

const (
	lineWidth  = 92 // of prose, where the terminal is wide enough
	leastWidth = 40 // where it is not
)

// wrapped breaks text into lines of so many columns, each after the first behind indent.
func wrapped(text, indent string, columns int) string {
	var b strings.Builder
	width := cells(indent)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case width+1+cells(word) > columns:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += cells(word)
	}
	return b.String()
}
