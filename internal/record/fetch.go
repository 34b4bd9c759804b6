package record

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A fetcher reads from the connection below. Of a TCP connection it knows when it has to wait, and while much comes fast, and more is
// announced, it waits for much: each time that a reader is woken costs several system calls.
type fetcher struct {
	raw     syscall.RawConn       // nil if it is read like any other
	try     func(fd uintptr) bool // tryOnce, bound
	onWait  func()                // may be nil
	unsaid  int                   // bytes read since it was called
	patient bool                  // it may wait for much

	into []byte // what try reads into, and what that gave
	n    int
	err  error

	announced int         // bytes of content that were announced and not opened
	kept      int         // bytes read of a record that is not whole
	waited    time.Time   // when it waited last
	since     int         // bytes read since then
	threshold int         // the socket wakes the reader when it has so many
	late      *time.Timer // runs while that are many; nil if they never were
}

const (
	// mostUnsaid is how much is read until those who wait for it are woken, if there is more at hand all the time.
	mostUnsaid = 256 << 10
	// leastThreshold and mostThreshold bound for how many bytes is waited at once. Who reads slower than a megabyte in quickTime waits for one.
	leastThreshold, mostThreshold = 64 << 10, 256 << 10
	quickTime                     = 8 * time.Millisecond
	// lateTime is how long is waited for many bytes until one is enough.
	lateTime = 2 * time.Millisecond
)

// A Plain connection looks at its first bytes. From the first Read on that has succeeded it gives what Plain gives, which is read in its stead.
type Plain interface{ Plain() net.Conn }

// use has the fetcher read a connection in the best way. Of one that is [Plain] something has to be read before.
func (f *fetcher) use(conn net.Conn) {
	f.threshold = 1
	if tcp := socketOf(conn); tcp != nil && canTry {
		f.raw, _ = tcp.SyscallConn()
		f.try = f.tryOnce
		f.patient = canWait()
	}
}

// socketOf is the TCP connection that a connection is; nil if it is something else.
func socketOf(conn net.Conn) *net.TCPConn {
	if over, ok := conn.(*announcing); ok {
		conn = over.Conn
	}
	if over, ok := conn.(Plain); ok {
		conn = over.Plain()
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// read reads what is there, and waits only if that is nothing. One read is at work at a time.
func (f *fetcher) read(conn net.Conn, p []byte) (int, error) {
	if f.raw == nil {
		f.tell()
		return conn.Read(p)
	}
	if f.unsaid >= mostUnsaid {
		f.tell()
	}
	f.into, f.n, f.err = p, 0, nil
	err := f.raw.Read(f.try)
	f.into = nil
	f.unsaid += f.n
	f.since += f.n
	switch {
	case err != nil:
		if op, ok := err.(*net.OpError); ok {
			op.Op = "read" // and not raw-read
		}
		return 0, err
	case f.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: os.NewSyscallError("read", f.err)}
	case f.n == 0:
		return 0, io.EOF
	}
	return f.n, nil
}

// tell has those woken who wait for what was read.
func (f *fetcher) tell() {
	f.unsaid = 0
	if f.onWait != nil {
		f.onWait()
	}
}

// tryOnce reads, and is false if nothing is there.
func (f *fetcher) tryOnce(fd uintptr) bool {
	var empty bool
	f.n, empty, f.err = readNow(fd, f.into)
	if empty {
		f.tell()
		f.waits(fd)
	} else if f.threshold > 1 {
		f.late.Stop()
	}
	return !empty
}

// waits decides for how many bytes is waited now.
func (f *fetcher) waits(fd uintptr) {
	if !f.patient {
		return
	}
	now := time.Now()
	n := threshold(f.announced-f.kept, f.since, now.Sub(f.waited))
	f.waited, f.since = now, 0
	if n != f.threshold {
		f.threshold = n
		setThreshold(fd, n)
	}
	if n > 1 {
		if f.late == nil {
			f.late = time.AfterFunc(lateTime, f.tooLate)
		}
		f.late.Reset(lateTime)
	}
}

// threshold is for how many bytes is to be waited when so many are to come, and since the last wait so many came in so long.
func threshold(rest, came int, took time.Duration) int {
	if rest < leastThreshold || came < leastThreshold || took > quickTime*time.Duration(came)/(1<<20) {
		return 1
	}
	return min(rest, mostThreshold)
}

// tooLate wakes the reader for what there is.
func (f *fetcher) tooLate() { f.raw.Control(func(fd uintptr) { setThreshold(fd, 1) }) }
