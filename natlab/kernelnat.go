package natlab

import (
	"context"
	"fmt"
	"strings"
)

// A Firewall is what a kernel NAT does with packets from outside that belong to no connection.
type Firewall uint8

const (
	// FirewallDrop drops them, and what connection tracking calls invalid.
	FirewallDrop Firewall = iota
	// FirewallReject answers them with a TCP reset or ICMP port unreachable, as OpenWrt does.
	FirewallReject
	// FirewallNone leaves them to the kernel, where a port nobody listens on is refused.
	FirewallNone
)

// String is a word such as "drop".
func (f Firewall) String() string { return word(uint8(f), "drop", "reject", "none") }

// Masquerade is how the kernel chooses the external port of a connection.
type Masquerade uint8

const (
	// MasqueradeKeep keeps the internal port where that is unambiguous.
	MasqueradeKeep Masquerade = iota
	// MasqueradeRandom is nft's "masquerade random".
	MasqueradeRandom
	// MasqueradeFullyRandom is nft's "masquerade fully-random".
	MasqueradeFullyRandom
)

// String is the option of nft's masquerade statement.
func (m Masquerade) String() string { return word(uint8(m), "", "random", "fully-random") }

// Kernel tells how a kernel NAT is set up. The zero value is masquerading behind a firewall that
// drops.
type Kernel struct {
	Firewall   Firewall
	Masquerade Masquerade
	// Liberal sets nf_conntrack_tcp_be_liberal: only resets are checked for being in the window.
	Liberal bool
}

// KernelNAT attaches a NAT to the internet that is a namespace in which the Linux kernel
// masquerades. It needs the nft program.
func (l *Lab) KernelNAT(name string, k Kernel, list ...Option) *NAT {
	return l.core.newNAT(name, list, func(n *NAT) (box, error) { return newKernelBox(n, l.core, k) })
}

// KernelNAT attaches a kernel NAT to this one's inside.
func (n *NAT) KernelNAT(name string, k Kernel, list ...Option) *NAT {
	outer := n.inside
	return outer.newNAT(name, list, func(n *NAT) (box, error) { return newKernelBox(n, outer, k) })
}

// ruleset is the kernel NAT in nft's language.
func (k Kernel) ruleset() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
table inet natlab {
	chain postrouting {
		type nat hook postrouting priority srcnat
		meta nfproto ipv4 oifname "wan" masquerade %v
	}
`, k.Masquerade)
	if k.Firewall != FirewallNone {
		// Invalid packets must not leave untranslated. Those for the router are dropped or rejected as
		// what is unsolicited, like in OpenWrt's firewall.
		invalid := map[string]string{"forward": "ct state invalid drop"}
		deny := "drop"
		if k.Firewall == FirewallReject {
			deny = "meta l4proto tcp reject with tcp reset\n\t\treject with icmpx port-unreachable"
		}
		for _, hook := range []string{"input", "forward"} {
			fmt.Fprintf(&b, `
	chain %s {
		type filter hook %s priority filter
		%s
		ct state established,related accept
		iifname != "wan" accept
		ct status dnat accept comment "forwarded ports, as firewall4 does"
		%s
	}
`, hook, hook, invalid[hook], deny)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// load gives the namespace of a kernel NAT its rules.
func (k Kernel) load(router *Host) error {
	nft, err := findNFT()
	if err != nil {
		return err
	}
	cmd := router.Command(context.Background(), nft, "-f", "-")
	cmd.Stdin = strings.NewReader(k.ruleset())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load nft rules: %w: %s", err, out)
	}
	return nil
}
