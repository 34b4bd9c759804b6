package record

import (
	"net"
	"testing"
	"time"
)

func TestOnlyASocketThatIsBoundedGetsAnotherBound(t *testing.T) {
	for _, least := range []int{0, 128 << 10} {
		conn, _ := loopback(t)
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if least > 0 {
				limitUnsent(fd, least)
			}
			var u unsent
			began := time.Now()
			for _, step := range []struct {
				took int
				in   time.Duration
				want int
			}{
				{1 << 30, 0, least}, // not measured yet
				{100 << 20, 100 * time.Millisecond, 1 << 20},
				{200 << 20, 100 * time.Millisecond, 2 << 20},
				{1 << 20, time.Second, least},
			} {
				want := step.want
				if least == 0 {
					want = 0
				}
				before := unsentLimit(fd)
				u.took += step.took
				began = began.Add(step.in)
				more := u.adapt(fd, began)
				if got := unsentLimit(fd); got != want || more != (got > before) {
					t.Errorf("bound of %d at first, %d in %v: %d, more %t; want %d", least, step.took, step.in, got, more, want)
				}
			}
		})
	}
}
