package reuseport

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lossBased are the algorithms to change to, best first. An ordinary user may choose those
// of net.ipv4.tcp_allowed_congestion_control, in which reno always is.
var lossBased = [...]string{"cubic", "reno"}

func distrustRoundTrip(raw syscall.RawConn, roundTrip time.Duration) (changed string, err error) {
	outer := raw.Control(func(fd uintptr) {
		var algorithm string
		var info *unix.TCPInfo
		if algorithm, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil {
			return
		}
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			return
		}
		if isMisled(algorithm, time.Duration(info.Min_rtt)*time.Microsecond, roundTrip) {
			changed, err = setFirst(int(fd), lossBased[:])
		}
	})
	return changed, errors.Join(outer, os.NewSyscallError("congestion control", err))
}

// setFirst sets the first algorithm that the system has and allows.
func setFirst(fd int, algorithms []string) (set string, err error) {
	for _, algorithm := range algorithms {
		if err = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, algorithm); err == nil {
			return algorithm, nil
		}
	}
	return "", err
}
