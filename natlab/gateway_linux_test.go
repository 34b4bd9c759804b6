package natlab

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMulticastReachesTheOthersInsideAndNobodyElse(t *testing.T) {
	lab := Test(t, Config{})
	nat := lab.NAT("nat", Linux())
	group := &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 1900}
	receivers := map[string]net.PacketConn{}
	for _, h := range []*Host{nat.Host("near"), lab.Host("far")} {
		receivers[h.Name()] = listenGroup(t, h, group)
	}
	sender, err := packetConn(nat.Host("sender"), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, err := sender.WriteTo([]byte("hello"), group); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, _, err := receivers["near"].ReadFrom(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("near got %q, %v", b[:n], err)
	}
	receivers["far"].SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, from, err := receivers["far"].ReadFrom(b); err == nil {
		t.Errorf("far got %q from %v", b[:n], from)
	}
}

// listenGroup returns a socket of a host that receives what is sent to a group.
func listenGroup(t *testing.T, h *Host, group *net.UDPAddr) net.PacketConn {
	t.Helper()
	conn, err := packetConn(h, group.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = h.Do(func() (err error) {
		ctlErr := raw.Control(func(fd uintptr) {
			mreq := &unix.IPMreq{Multiaddr: [4]byte(group.IP.To4()), Interface: h.Addr().As4()}
			err = unix.SetsockoptIPMreq(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, mreq)
		})
		return errors.Join(err, ctlErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func packetConn(h *Host, address string) (conn net.PacketConn, err error) {
	err = h.Do(func() error {
		conn, err = net.ListenPacket("udp4", address)
		return err
	})
	return conn, err
}

func TestOnlyAKernelNATHasARouterToRunProgramsIn(t *testing.T) {
	lab := Test(t, Config{})
	kernel, inGo := lab.KernelNAT("kernel", Kernel{}), lab.NAT("go", Linux())
	if out, err := kernel.Router().Command(t.Context(), "true").CombinedOutput(); err != nil {
		t.Errorf("on the kernel NAT: %v: %s", err, out)
	}
	l, err := kernel.Router().Listen("tcp", net.JoinHostPort(kernel.Gateway().String(), "80"))
	if err != nil {
		t.Fatalf("listen on the gateway's address: %v", err)
	}
	defer l.Close()
	if c, err := kernel.Host("inside").Dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("dial the gateway from inside: %v", err)
	} else {
		c.Close()
	}
	if err := inGo.Router().Do(func() error { return nil }); err == nil {
		t.Error("a NAT in Go has a namespace")
	}
}
