package bodkin_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// wall has a kernel NAT look at what goes out, by a rule of nftables, which is to count.
func wall(t *testing.T, nat *natlab.NAT, rule string) (counted func() string) {
	t.Helper()
	check(t, (&gateway{router: nat.Router()}).nft("add table inet wall; add chain inet wall out { type filter hook forward priority -10; }; "+
		"add rule inet wall out iifname lan "+rule))
	return func() string {
		out, err := nat.Router().Command(context.Background(), nftPath(), "list", "chain", "inet", "wall", "out").Output()
		check(t, err)
		_, packets, _ := strings.Cut(string(out), "counter packets ")
		packets, _, _ = strings.Cut(packets, " ")
		return packets
	}
}

// relayedEcho has a dial b, checks that bytes go by the relay, and ends the session.
func relayedEcho(t *testing.T, a, b *bodkin.Node) {
	t.Helper()
	conn, err := a.Dial(t.Context(), b.Name(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if answer, err := say(conn, "hello"); answer != "hello" || err != nil {
		t.Errorf("echo: got %q, %v", answer, err)
	}
	if path := conn.Path(); path.Kind != bodkin.Relayed {
		t.Errorf("path %v to %v, want relayed", path.Kind, path.Remote)
	}
}

// TestANodeThatGetsOutByPort443AloneIsRelayed drops everything else that its network sends.
func TestANodeThatGetsOutByPort443AloneIsRelayed(t *testing.T) {
	w := newWorldOf(t, server.Config{Main: []string{":443"}})
	nat := w.lab.KernelNAT("near", natlab.Kernel{})
	dropped := wall(t, nat, "tcp dport != 443 counter drop")
	a := w.join(t, behind(nat, "a"), bodkin.Config{Name: "ada", NoPortMapping: true, NoLAN: true})
	b := w.join(t, behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b"), bodkin.Config{Name: "ben", NoPortMapping: true, NoLAN: true})
	echo(t, a, "echo")
	echo(t, b, "echo")
	relayedEcho(t, a, b)
	relayedEcho(t, b, a)
	if dropped() == "0" {
		t.Error("the wall had nothing to drop")
	}
}

// TestARelayedConnectionThatIsCutIsWrappedInTLS resets what does not begin as TLS does. The node tries once, and remembers.
func TestARelayedConnectionThatIsCutIsWrappedInTLS(t *testing.T) {
	w := newWorldOf(t, server.Config{})
	nat := w.lab.KernelNAT("near", natlab.Kernel{})
	cut := wall(t, nat, "tcp dport 4000 @ih,0,32 0x62646b6e counter reject with tcp reset") // "bdkn"
	a := w.join(t, behind(nat, "a"), bodkin.Config{Name: "ada", Relay: bodkin.RelayAlways, NoPortMapping: true})
	far := behind(w.lab.NAT("far", natlab.PortRestrictedCone()), "b")
	first := ""
	for _, name := range []string{"ben", "bob"} { // each needs a relayed connection of its own
		b := w.join(t, far, bodkin.Config{Name: name, NoPortMapping: true, NoLAN: true})
		echo(t, b, "echo")
		relayedEcho(t, a, b)
		switch n := cut(); {
		case n == "0":
			t.Error("nothing was cut")
		case first == "":
			first = n
		case n != first:
			t.Errorf("the second session was cut too: %s packets, %s before", n, first)
		}
	}
}
