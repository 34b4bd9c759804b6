package poll

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	workerBuffer = 64 << 10 // lent to the connection that a worker serves
	// batch is how many ready connections a worker takes at a time; the others take the rest meanwhile.
	batch = 16
)

// A backend is an epoll instance. Each socket in it is armed once at a time (EPOLLONESHOT), so one worker at most serves it.
// The epoll descriptor itself waits in Go's poller, so that no thread does.
type backend struct {
	loop *Loop
	file *os.File
	raw  syscall.RawConn

	mu         sync.RWMutex
	table      []*descriptor // by descriptor number
	generation int32         // tells an event of a closed socket from one of its successor with the same number
	closed     bool
}

func (b *backend) open(l *Loop) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	b.loop = l
	b.file = os.NewFile(uintptr(fd), "epoll")
	b.raw, err = b.file.SyscallConn()
	return err
}

func (b *backend) run(workers *sync.WaitGroup) {
	for range runtime.GOMAXPROCS(0) + 1 { // one waits while the others work
		workers.Go(b.work)
	}
}

func (b *backend) work() {
	buf := make([]byte, workerBuffer)
	events := make([]unix.EpollEvent, batch)
	for {
		n, err := b.wait(events)
		if err != nil {
			return
		}
		for _, event := range events[:n] {
			if d := b.find(event.Fd, event.Pad); d != nil {
				d.serve(event.Events, buf)
			}
		}
	}
}

// wait returns the next ready sockets, or an error when the backend was closed.
func (b *backend) wait(events []unix.EpollEvent) (n int, err error) {
	readErr := b.raw.Read(func(fd uintptr) bool {
		n, err = unix.EpollWait(int(fd), events, 0)
		if err == unix.EINTR {
			n, err = 0, nil
		}
		return n > 0 || err != nil
	})
	if readErr != nil {
		return 0, readErr
	}
	return n, err
}

func (b *backend) find(fd, generation int32) *descriptor {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if int(fd) >= len(b.table) {
		return nil
	}
	if d := b.table[fd]; d != nil && d.generation == generation {
		return d
	}
	return nil
}

// add takes the descriptor of a TCP connection out of Go's poller. Go's half of it, some 600 bytes, is given up.
func (b *backend) add(conn net.Conn, h Handler) (Socket, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, dupErr := -1, error(nil)
	if err := raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("dup", dupErr)
	}
	b.loop.want()
	d := &descriptor{backend: b, handler: h, fd: int32(fd)}
	if err := b.insert(d); err != nil {
		unix.Close(fd)
		return nil, err
	}
	conn.Close() // takes it out of Go's poller; the connection lives on in its duplicate
	return d, nil
}

func (b *backend) insert(d *descriptor) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	b.generation++
	d.generation = b.generation
	for int(d.fd) >= len(b.table) {
		b.table = append(b.table, nil)
	}
	b.table[d.fd] = d
	return nil
}

func (b *backend) remove(fd int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.table[fd] = nil
}

func (b *backend) control(op int, d *descriptor, events uint32) error {
	event := unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: d.fd, Pad: d.generation}
	var err error
	if rawErr := b.raw.Control(func(fd uintptr) { err = unix.EpollCtl(int(fd), op, int(d.fd), &event) }); rawErr != nil {
		return rawErr
	}
	if err != nil {
		return fmt.Errorf("poll: epoll_ctl: %w", err)
	}
	return nil
}

func (b *backend) close() {
	b.mu.Lock()
	b.closed = true
	table := slices.Clone(b.table)
	b.mu.Unlock()
	for _, d := range table {
		if d != nil {
			d.Close()
		}
	}
	b.file.Close()
}
