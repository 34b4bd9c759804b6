package natlab

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at a time set by others. It is a timerfd because the timers of
// package time wait in whole milliseconds when the process has nothing else to do.
type alarm struct {
	file *os.File
	fd   int
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &alarm{os.NewFile(uintptr(fd), "timerfd"), fd}, nil
}

// set replaces the time to wake at. It must not be called after close.
func (a *alarm) set(in time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(in)))}
	unix.TimerfdSettime(a.fd, 0, &spec, nil) // fails only for a bad descriptor
}

// wait returns true when the time has come, false after close.
func (a *alarm) wait() bool {
	var expirations [8]byte
	_, err := a.file.Read(expirations[:])
	return err == nil
}

func (a *alarm) close() { a.file.Close() }
