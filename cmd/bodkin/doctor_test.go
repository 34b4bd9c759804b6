package main

import (
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

// Seen to fail: with a verdict that takes a relay for granted.
func TestTheVerdictTellsHowTheOthersAreReached(t *testing.T) {
	direct, not := bodkin.Prospect{Direct: true}, bodkin.Prospect{}
	for _, c := range []struct {
		relay     bodkin.RelayPolicy
		prospects []bodkin.Prospect
		want      string
	}{
		{bodkin.RelayAuto, []bodkin.Prospect{direct, direct}, "Direct connections work with every kind of peer."},
		{bodkin.RelayNever, []bodkin.Prospect{direct, direct}, "Direct connections work with every kind of peer."},
		{bodkin.RelayAuto, []bodkin.Prospect{direct, direct, not}, "Direct connections work with most peers; the others go by the relay of the server, if it has one."},
		{bodkin.RelayNever, []bodkin.Prospect{direct, direct, not}, "Direct connections work with most peers; the others cannot be reached without the relay (--relay=never)."},
		{bodkin.RelayAuto, []bodkin.Prospect{direct, not, not}, "Direct connections work with some peers; the others go by the relay of the server, if it has one."},
		{bodkin.RelayAuto, []bodkin.Prospect{not}, "No direct connection is possible from this network; all peers go by the relay of the server, if it has one."},
		{bodkin.RelayNever, []bodkin.Prospect{not}, "No direct connection is possible from this network, and without the relay (--relay=never) no other."},
		{bodkin.RelayAlways, []bodkin.Prospect{direct, not}, "This node goes by the relay of the server alone (--relay=always)."},
	} {
		d := bodkin.Diagnosis{Relay: c.relay, Prospects: c.prospects, Status: bodkin.Status{PortReuse: true, Measured: true}}
		if got := verdict(d); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.relay, c.prospects, got, c.want)
		}
	}
}

// Seen to fail: with the words for a machine that has both.
func TestTheVerdictOfAMachineWithoutIPv4IsAboutPeersThatHaveIPv6(t *testing.T) {
	d := bodkin.Diagnosis{Prospects: []bodkin.Prospect{{Direct: true}}, Status: bodkin.Status{
		PortReuse: true, Measured: true, IPv4: bodkin.Behavior{Mapping: "unknown"}, IPv6: bodkin.Behavior{Mapping: "none"},
	}}
	want := "Direct connections work with every kind of peer that has IPv6, as there is no IPv4 to the server here; the others go by the relay of the server, if it has one."
	if got := verdict(d); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	d.IPv4.Mapping = "none"
	if got, want := verdict(d), "Direct connections work with every kind of peer."; got != want {
		t.Errorf("with both: %q, want %q", got, want)
	}
}
