package netwatch

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// beats ticks so often by the clock that goes on while the machine sleeps (CLOCK_BOOTTIME, timerfd_create(2)): the first tick after it
// wakes is there at once, and not after the rest of a beat.
func beats(every time.Duration) (ticks <-chan time.Time, stop func(), err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	interval := unix.NsecToTimespec(every.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: interval, Value: interval}, nil); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	told, ended := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 8)
		for {
			if _, err := timer.Read(buffer); err != nil {
				return
			}
			select {
			case told <- time.Now():
			default:
			}
		}
	}()
	return told, func() { timer.Close(); <-ended }, nil
}
