package natlab

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkThroughput sends 1 MiB per operation over one TCP connection.
func BenchmarkThroughput(b *testing.B) {
	for _, device := range []Device{DeviceTUN, DevicePacket} {
		for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
			for _, nats := range []int{0, 2} {
				b.Run(fmt.Sprintf("%v/delay=%v/nats=%d", device, delay, nats), func(b *testing.B) {
					lab := Test(b, Config{Device: device})
					s := lab.Host("s", Delay(delay))
					var inner interface {
						Host(string, ...Option) *Host
						NAT(string, Behavior, ...Option) *NAT
					} = lab
					for i := range nats {
						inner = inner.NAT(fmt.Sprint("nat", i), Linux())
					}
					transfer(b, inner.Host("a"), s)
				})
			}
		}
	}
}

func transfer(b *testing.B, from, to *Host) {
	const chunk = 1 << 20
	l, err := to.Listen("tcp4", ":4000")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, c)
		received <- n
	}()
	c, err := from.Dial(b.Context(), "tcp", netip.AddrPortFrom(to.Addr(), 4000).String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, chunk)
	b.SetBytes(chunk)
	n := 0
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		n++
	}
	c.(*net.TCPConn).CloseWrite()
	if got := <-received; got != int64(n)*chunk {
		b.Fatalf("received %d bytes of %d", got, n*chunk)
	}
}

// BenchmarkLab makes and closes a lab of a server and two hosts behind NATs.
func BenchmarkLab(b *testing.B) {
	for b.Loop() {
		lab := Test(b, Config{})
		lab.Host("s")
		lab.NAT("na", Linux()).Host("a")
		lab.NAT("nb", Linux()).Host("b")
		lab.Close()
	}
}
