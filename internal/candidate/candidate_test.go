package candidate

import (
	"net/netip"
	"slices"
	"testing"
)

func TestPriorityIsThatOfRFC8445(t *testing.T) {
	for _, row := range []struct {
		candidate Candidate
		want      uint32 // 2^24 x type preference + 2^8 x local preference + 2^0 x (256 - component)
	}{
		{Candidate{Host, netip.MustParseAddrPort("192.168.1.5:5000")}, 126<<24 + 65534<<8 + 255},
		{Candidate{Host, netip.MustParseAddrPort("[2001:db8::5]:5000")}, 126<<24 + 65535<<8 + 255},
		{Candidate{Host, netip.MustParseAddrPort("[::ffff:192.168.1.5]:5000")}, 126<<24 + 65534<<8 + 255},
		{Candidate{Mapped, netip.MustParseAddrPort("203.0.113.7:5000")}, 105<<24 + 65534<<8 + 255},
		{Candidate{ServerReflexive, netip.MustParseAddrPort("203.0.113.7:5000")}, 100<<24 + 65534<<8 + 255},
		{Candidate{Relayed, netip.MustParseAddrPort("203.0.113.7:5000")}, 65534<<8 + 255},
	} {
		if got := row.candidate.Priority(); got != row.want {
			t.Errorf("%v: got %d, want %d", row.candidate, got, row.want)
		}
	}
}

func TestTypesHaveNames(t *testing.T) {
	got := []string{}
	for _, typ := range []Type{Host, Mapped, ServerReflexive, Relayed, 0, 9} {
		got = append(got, typ.String())
	}
	want := []string{"host", "mapped", "server-reflexive", "relayed", "type 0", "type 9"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDialableAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"192.168.1.5": true, "203.0.113.7": true, "100.64.0.1": true, "fd12::1": true, "2001:db8::1": true,
		"127.0.0.1": false, "::1": false, "fe80::1": false, "169.254.3.4": false, "::ffff:127.0.0.1": false,
		"0.0.0.0": false, "::": false, "224.0.0.251": false, "ff02::fb": false,
	} {
		if got := Dialable(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	if Dialable(netip.Addr{}) {
		t.Error("no address at all is dialable")
	}
}
