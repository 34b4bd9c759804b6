package reuseport

import "net"

// LimitUnsent bounds how many bytes of c the kernel keeps beyond those on their way; what is on its way is not bounded. A write that would
// keep more waits. So what is written next has little in front of it, and the kernel's memory stays in the processor's cache. A layer with
// NetConn is looked through. On systems that cannot, and for c that is not TCP, nothing happens.
func LimitUnsent(c net.Conn, bytes int) error {
	tcp, ok := inner(c).(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return limitUnsent(raw, bytes)
}
