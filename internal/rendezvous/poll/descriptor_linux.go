package poll

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readsInTurn is how often a worker reads from one connection before it lets others have their turn.
const readsInTurn = 4

// A descriptor is a Socket in an epoll. The lock is held over system calls, none of which blocks, so that the number is never
// used after it was closed and may be another connection's.
type descriptor struct {
	backend    *backend
	handler    Handler
	generation int32

	mu      sync.Mutex
	fd      int32 // -1: closed
	serving bool  // a worker has it, and arms it again when done
	finish  bool
	out     *backlog // nil: nothing waits
}

// A backlog is what the kernel did not take at once.
type backlog struct {
	bytes []byte
	since time.Time
}

func (d *descriptor) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd >= 0 {
		// An error leaves the socket silent; its owner's timeout finds it.
		_ = d.backend.control(unix.EPOLL_CTL_ADD, d, d.interestLocked())
	}
}

func (d *descriptor) interestLocked() uint32 {
	interest := uint32(unix.EPOLLIN | unix.EPOLLRDHUP)
	if d.out != nil {
		interest |= unix.EPOLLOUT
	}
	return interest
}

// serve does what events call for.
func (d *descriptor) serve(events uint32, buf []byte) {
	d.mu.Lock()
	if d.serving || d.fd < 0 {
		d.mu.Unlock()
		return // armed twice: whoever has it arms it again
	}
	d.serving = true
	d.mu.Unlock()

	var err error
	if events&unix.EPOLLOUT != 0 {
		err = d.flush()
	}
	if err == nil && events&^unix.EPOLLOUT != 0 {
		err = d.read(buf)
	}

	d.mu.Lock()
	d.serving = false
	if d.fd < 0 {
		d.mu.Unlock()
		return
	}
	if err == nil {
		err = d.backend.control(unix.EPOLL_CTL_MOD, d, d.interestLocked())
	}
	d.mu.Unlock()
	if err != nil && d.close() {
		d.handler.Gone(err)
	}
}

func (d *descriptor) read(buf []byte) error {
	for range readsInTurn {
		n, err := d.readOnce(buf)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err == net.ErrClosed:
			return nil
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return io.EOF
		}
		d.handler.Receive(buf[:n])
		if n < len(buf) {
			return nil // very likely all; if not, the socket is ready at once
		}
	}
	return nil
}

func (d *descriptor) readOnce(buf []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return 0, net.ErrClosed
	}
	return unix.Read(int(d.fd), buf)
}

func (d *descriptor) Send(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 || d.finish {
		return net.ErrClosed
	}
	if d.out == nil {
		n, err := d.writeLocked(b)
		if err != nil || n == len(b) {
			return err
		}
		b = b[n:]
		d.out = &backlog{since: time.Now()}
		defer d.armLocked()
	}
	if len(d.out.bytes)+len(b) > d.backend.loop.config.MaxPending {
		return ErrFull
	}
	d.out.bytes = append(d.out.bytes, b...)
	return nil
}

// armLocked makes the loop tell of room to write.
func (d *descriptor) armLocked() {
	if !d.serving {
		_ = d.backend.control(unix.EPOLL_CTL_MOD, d, d.interestLocked())
	}
}

// writeLocked writes what fits now.
func (d *descriptor) writeLocked(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n, err := unix.Write(int(d.fd), b[written:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return written, nil
		case err != nil:
			return written, os.NewSyscallError("write", err)
		}
		written += n
	}
	return written, nil
}

// flush sends what waits, and tells when nothing waits any more.
func (d *descriptor) flush() error {
	d.mu.Lock()
	if d.fd < 0 || d.out == nil {
		d.mu.Unlock()
		return nil
	}
	n, err := d.writeLocked(d.out.bytes)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	d.out.bytes = slices.Delete(d.out.bytes, 0, n)
	if n > 0 {
		d.out.since = time.Now()
	}
	drained := len(d.out.bytes) == 0
	if drained {
		d.out = nil
		if d.finish {
			unix.Shutdown(int(d.fd), unix.SHUT_WR)
		}
	}
	d.mu.Unlock()
	if drained {
		d.handler.Drained()
	}
	return nil
}

func (d *descriptor) Pending() (int, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.out == nil {
		return 0, time.Time{}
	}
	return len(d.out.bytes), d.out.since
}

func (d *descriptor) Finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 || d.finish {
		return
	}
	d.finish = true
	if d.out == nil {
		unix.Shutdown(int(d.fd), unix.SHUT_WR)
	}
}

func (d *descriptor) Close() { d.close() }

// close tells whether the socket was open.
func (d *descriptor) close() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return false
	}
	d.backend.remove(d.fd)
	unix.Close(int(d.fd)) // also takes it out of the epoll
	d.fd, d.out = -1, nil
	return true
}
