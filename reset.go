package bodkin

import "net"

// resetAtEnd makes a connection end with a reset, however it ends. An orderly end holds the four-tuple for 60 s
// (TIME_WAIT), in which a restarted node could reach neither its server nor its peer from the same port. Nothing is
// lost by it: what there is to say at the end is said inside, a session's goodbye or TLS's close_notify, and a reset does
// not take back what has arrived.
func resetAtEnd(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is gone
	}
}
