package record

import (
	"net"
	"os"
	"syscall"
	"time"
)

// A pusher writes to the connection below.
type pusher struct {
	raw  syscall.RawConn       // nil if it is written like any other
	try  func(fd uintptr) bool // tryOnce, bound
	from []byte                // what try has still to write
	err  error
	unsent
}

// use has the pusher write a connection in the best way, after something was written to it: only then is nothing in front of what goes straight
// to the socket.
func (w *pusher) use(conn net.Conn) {
	if tcp := socketOf(conn); tcp != nil && canTry {
		w.raw, _ = tcp.SyscallConn()
		w.try = w.tryOnce
	}
}

// write writes all of p.
func (w *pusher) write(conn net.Conn, p []byte) error {
	if w.raw == nil {
		_, err := conn.Write(p)
		if err == nil && w.try == nil {
			w.use(conn)
		}
		return err
	}
	w.from, w.err = p, nil
	err := w.raw.Write(w.try)
	w.from = nil
	if op, ok := err.(*net.OpError); ok {
		op.Op = "write" // and not raw-write
	}
	if err == nil && w.err != nil {
		err = &net.OpError{Op: "write", Net: "tcp", Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: os.NewSyscallError("write", w.err)}
	}
	return err
}

// tryOnce writes as much as there is room for, and is false if there is not enough.
func (w *pusher) tryOnce(fd uintptr) bool {
	for len(w.from) > 0 {
		n, full, err := writeNow(fd, w.from)
		if full {
			if now := time.Now(); w.unsent.due(now) && w.unsent.adapt(fd, now) {
				continue
			}
			return false
		}
		if err != nil {
			w.err = err
			return true
		}
		w.from = w.from[n:]
		w.unsent.took += n
	}
	return true
}
