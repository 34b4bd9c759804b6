package portmap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const pcpNonceHex = "010203040506070809 0a0b0c"

func TestPCPRequestsAreThoseOfTheRFC(t *testing.T) {
	client := netip.MustParseAddr("192.168.1.5")
	nonce := pcpNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for name, row := range map[string]struct {
		request pcpRequest
		want    string
	}{
		"map": {
			pcpRequest{pcpMap, 7200, client, nonce, 40000, netip.AddrPortFrom(netip.Addr{}, 40000)},
			"02 01 0000 00001c20 00000000000000000000ffffc0a80105" + pcpNonceHex + "06 000000 9c40 9c40 00000000000000000000ffff00000000",
		},
		"renew": {
			pcpRequest{pcpMap, 7200, client, nonce, 40000, netip.MustParseAddrPort("203.0.113.7:40001")},
			"02 01 0000 00001c20 00000000000000000000ffffc0a80105" + pcpNonceHex + "06 000000 9c40 9c41 00000000000000000000ffffcb007107",
		},
		"map for IPv6": {
			pcpRequest{pcpMap, 7200, netip.MustParseAddr("2001:db8::5"), nonce, 40000, netip.AddrPortFrom(netip.Addr{}, 40000)},
			"02 01 0000 00001c20 20010db8000000000000000000000005" + pcpNonceHex + "06 000000 9c40 9c40 00000000000000000000000000000000",
		},
		"announce": {
			pcpRequest{opcode: pcpAnnounce, client: client},
			"02 00 0000 00000000 00000000000000000000ffffc0a80105",
		},
	} {
		if got, want := row.request.encode(), unhex(t, row.want); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, want)
		}
	}
}

func TestPCPAnswersAreReadAndTheRestIsNot(t *testing.T) {
	good := "02 81 00 00 00000e10 0000002a 000000000000000000000000" + pcpNonceHex + "06 000000 9c40 9c41 00000000000000000000ffffcb007107"
	want := pcpAnswer{opcode: pcpMap, lifetime: 3600, epoch: 42, nonce: pcpNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		internal: 40000, external: netip.MustParseAddrPort("203.0.113.7:40001")}
	if got, err := parsePCP(unhex(t, good)); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := parsePCP(unhex(t, "02 80 00 00 00000000 0000002a 000000000000000000000000")); got.epoch != 42 || err != nil {
		t.Errorf("announce: %+v, %v", got, err)
	}
	for name, packet := range map[string]string{
		"nothing":         "",
		"a request":       strings.Replace(good, "81", "01", 1),
		"cut off":         good[:len(good)-8],
		"not in words":    good + "00",
		"for UDP":         strings.Replace(good, "06 000000", "11 000000", 1),
		"longer than any": good + strings.Repeat("00", maxPacket),
		"another version": strings.Replace(good, "02 81", "03 81", 1),
	} {
		if got, err := parsePCP(unhex(t, packet)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: got %+v, %v, want errMalformed", name, got, err)
		}
	}
}

func TestRefusalsByPCPAreNamed(t *testing.T) {
	for packet, want := range map[string]string{
		"02 81 02 02 00000708 0000002a 000000000000000000000000" + pcpNonceHex + "06 000000 9c40 0000 00000000000000000000000000000000": "not authorized",
		"02 80 00 0c 00000708 0000002a 000000000000000000000000":                                                                        "another NAT",
		"02 80 00 63 00000708 0000002a 000000000000000000000000":                                                                        "unknown reason",
	} {
		answer, err := parsePCP(unhex(t, packet))
		if refused := (*RefusedError)(nil); err != nil || !errors.As(answer.err(), &refused) || !strings.Contains(refused.Text, want) {
			t.Errorf("%s: %v, %v, want a refusal: %s", packet, answer.err(), err, want)
		}
	}
	// A gateway that only knows NAT-PMP answers in its own way.
	if answer, err := parsePCP(unhex(t, "00 81 0001 00000000")); err != nil || !errors.Is(answer.err(), ErrNotOffered) {
		t.Errorf("NAT-PMP only: %v, %v, want ErrNotOffered", answer.err(), err)
	}
}

func FuzzPCPAnswersArePassedOverOrWhole(f *testing.F) {
	f.Add(unhex(f, "02 81 00 00 00000e10 0000002a 000000000000000000000000"+pcpNonceHex+"06 000000 9c40 9c41 00000000000000000000ffffcb007107"))
	f.Add(unhex(f, "02 80 00 00 00000000 0000002a 000000000000000000000000"))
	f.Add(unhex(f, "00 81 0001 00000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parsePCP(b)
		if err == nil && a.result == 0 && (len(b) < pcpHeaderLen || b[0] != pcpVersion || a.external.Addr().Is4In6()) {
			t.Errorf("%x was read as %+v", b, a)
		}
	})
}
