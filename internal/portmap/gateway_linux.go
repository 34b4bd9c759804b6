package portmap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// defaultGateway reads the routing table of the calling thread's network namespace.
func defaultGateway() (netip.Addr, error) {
	table, err := os.ReadFile("/proc/thread-self/net/route")
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrNoGateway, err)
	}
	gateway, ok := parseRoutes(string(table))
	if !ok {
		return netip.Addr{}, ErrNoGateway
	}
	return gateway, nil
}

// parseRoutes returns the gateway of the default route of the lowest metric, from lines such as this, in which addresses are
// hexadecimal numbers of the machine's byte order:
//
//	Iface Destination Gateway  Flags RefCnt Use Metric Mask     MTU Window IRTT
//	eth0  00000000    0101A8C0 0003  0      0   100    00000000 0   0      0
func parseRoutes(table string) (gateway netip.Addr, ok bool) {
	const up, viaGateway = 0x1, 0x2
	best := uint64(0)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" {
			continue
		}
		addr, err := strconv.ParseUint(fields[2], 16, 32)
		flags, flagsErr := strconv.ParseUint(fields[3], 16, 32)
		metric, metricErr := strconv.ParseUint(fields[6], 10, 32)
		if err != nil || flagsErr != nil || metricErr != nil || flags&(up|viaGateway) != up|viaGateway {
			continue
		}
		if !ok || metric < best {
			b := binary.NativeEndian.AppendUint32(nil, uint32(addr))
			gateway, best, ok = netip.AddrFrom4([4]byte(b)), metric, true
		}
	}
	return gateway, ok
}
