package portmap

import (
	"net/netip"
	"testing"
)

const routeHeader = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

func TestTheGatewayIsThatOfTheBestDefaultRoute(t *testing.T) {
	for name, row := range map[string]struct{ table, want string }{
		"one":         {"eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0\n", "192.168.1.1"},
		"two":         {"wlan0 00000000 0102A8C0 0003 0 0 600 00000000 0 0 0\neth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0\n", "192.168.1.1"},
		"none":        {"eth0 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0\n", ""},
		"without one": {"ppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n", ""},
		"down":        {"eth0 00000000 0101A8C0 0002 0 0 100 00000000 0 0 0\n", ""},
		"half of all": {"tun0 00000000 0101A8C0 0003 0 0 0 00000080 0 0 0\n", ""},
		"nonsense":    {"eth0 00000000\nx 00000000 zz 0003 0 0 0 00000000\n\n", ""},
	} {
		want := netip.Addr{}
		if row.want != "" {
			want = netip.MustParseAddr(row.want)
		}
		if got, _ := parseRoutes(routeHeader + row.table); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
