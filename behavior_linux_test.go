package bodkin_test

import (
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// swallow has the router of a kernel NAT answer all TCP from inside itself, and connect on: a transparent proxy.
func swallow(t *testing.T, nat *natlab.NAT) {
	t.Helper()
	router := nat.Router()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Fatal(err)
	}
	load := router.Command(t.Context(), nft, "-f", "-")
	load.Stdin = strings.NewReader(`table ip proxy {
	chain prerouting {
		type nat hook prerouting priority dstnat
		iifname "lan" meta l4proto tcp redirect to :3128
	}
}`)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	listener, err := router.Listen("tcp4", ":3128")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := router.Dial(t.Context(), "tcp", original(in.(*net.TCPConn)).String())
				if err != nil {
					return
				}
				defer out.Close()
				go func() {
					io.Copy(out, in)
					out.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(in, out)
			}()
		}
	}()
}

// original is where a redirected connection was to go.
func original(conn *net.TCPConn) (addr netip.AddrPort) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return addr
	}
	raw.Control(func(fd uintptr) {
		const originalDst = 80
		if dst, err := unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, originalDst); err == nil { // a sockaddr_in, which fits
			b := dst.Multiaddr
			addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), uint16(b[2])<<8|uint16(b[3]))
		}
	})
	return addr
}

func TestATransparentProxyIsNamed(t *testing.T) {
	t.Parallel()
	w := newWideWorld(t)
	nat := w.lab.KernelNAT("nat", natlab.Kernel{})
	swallow(t, nat)
	host := behind(nat, "a")
	w.joinMeasured(t, host, bodkin.Config{Name: "ada", NoPortMapping: true}, func(s bodkin.Status) bool {
		return s.IPv4.Proxied && s.IPv4.Classic == "Proxied"
	})
}
