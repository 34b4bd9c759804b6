package gather

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// addrStates returns the states of the IPv6 addresses in the calling thread's network
// namespace. Without IPv6, or without /proc, it knows none.
func addrStates() map[netip.Addr]addrState {
	table, err := os.ReadFile("/proc/thread-self/net/if_inet6")
	if err != nil {
		return nil
	}
	return parseAddrStates(string(table))
}

// parseAddrStates reads lines such as these, of address, index, prefix length, scope,
// flags (all hexadecimal) and name:
//
//	fd000000000000000000000000000002 04 40 00 81     eth0
func parseAddrStates(table string) map[netip.Addr]addrState {
	states := map[netip.Addr]addrState{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		b, err := hex.DecodeString(fields[0])
		addr, ok := netip.AddrFromSlice(b)
		flags, flagsErr := strconv.ParseUint(fields[4], 16, 32)
		if err != nil || flagsErr != nil || !ok {
			continue
		}
		switch {
		case flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0:
			states[addr] = notUsable
		case flags&(unix.IFA_F_TEMPORARY|unix.IFA_F_DEPRECATED) != 0:
			states[addr] = passing
		}
	}
	return states
}
