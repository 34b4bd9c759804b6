package portmap

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

func TestNATPMPRequestsAreThoseOfTheRFC(t *testing.T) {
	for _, row := range []struct {
		got  []byte
		want string
	}{
		{encodeNATPMP(natpmpAddress, 0, 0, 0), "00 00"},
		{encodeNATPMP(natpmpMapTCP, 40000, 40001, 7200), "00 02 0000 9c40 9c41 00001c20"},
		{encodeNATPMP(natpmpMapTCP, 40000, 0, 0), "00 02 0000 9c40 0000 00000000"},
	} {
		if want := unhex(t, row.want); !bytes.Equal(row.got, want) {
			t.Errorf("got %x, want %x", row.got, want)
		}
	}
}

func TestNATPMPAnswersAreReadAndTheRestIsNot(t *testing.T) {
	for packet, want := range map[string]natpmpAnswer{
		"00 80 0000 0000002a cb007107":           {opcode: natpmpAddress, epoch: 42, addr: netip.MustParseAddr("203.0.113.7")},
		"00 82 0000 0000002a 9c40 9c41 00000e10": {opcode: natpmpMapTCP, epoch: 42, internal: 40000, external: 40001, lifetime: 3600},
		"00 82 0002 0000002a 9c40 0000 00000000": {opcode: natpmpMapTCP, result: 2, epoch: 42},
		"00 80 0003 0000002a":                    {opcode: natpmpAddress, result: 3, epoch: 42},
	} {
		if got, err := parseNATPMP(unhex(t, packet)); got != want || err != nil {
			t.Errorf("%s: got %+v, %v, want %+v", packet, got, err, want)
		}
	}
	for name, packet := range map[string]string{
		"nothing": "", "a request": "00 00 0000 0000002a cb007107", "PCP": "02 80 0000 0000002a cb007107",
		"cut off": "00 82 0000 0000002a 9c40 9c41 00000e", "too long": "00 80 0000 0000002a cb007107 00",
		"for UDP": "00 81 0000 0000002a 9c40 9c41 00000e10",
	} {
		if got, err := parseNATPMP(unhex(t, packet)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: got %+v, %v, want errMalformed", name, got, err)
		}
	}
}

func FuzzNATPMPAnswersArePassedOverOrWhole(f *testing.F) {
	f.Add(unhex(f, "00 80 0000 0000002a cb007107"))
	f.Add(unhex(f, "00 82 0000 0000002a 9c40 9c41 00000e10"))
	f.Add(unhex(f, "00 82 0002 0000002a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseNATPMP(b); err == nil && a.result == 0 && len(b) != natpmpAddressLen && len(b) != natpmpMapLen {
			t.Errorf("%x was read as %+v", b, a)
		}
	})
}
