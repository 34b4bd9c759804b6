package relay_test

import (
	"io"
	"net"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// BenchmarkRelay compares one stream through the relay with one through a bare copy of two sockets, over loopback, in one run.
// "strace -f -c -e trace=splice,read,write" on the test shows the system calls.
func BenchmarkRelay(b *testing.B) {
	const block = 1 << 20
	measure := func(b *testing.B, from io.Writer, to io.Reader) {
		b.SetBytes(block)
		b.ResetTimer()
		go func() {
			buf := make([]byte, block)
			for range b.N {
				from.Write(buf)
			}
		}()
		if _, err := io.CopyN(io.Discard, to, int64(b.N)*block); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("relay", func(b *testing.B) {
		s := start(b, relay.Limits{BytesPerSecondPerNode: -1, BytesPerSecondPerRoom: -1, BytesPerNode: -1, BytesPerRoom: -1})
		from, to := s.pair(b, 1)
		measure(b, from.NetConn(), to.NetConn())
	})
	for _, c := range []struct {
		name  string
		strip func(net.Conn) io.Reader
	}{
		{"bare copy", func(c net.Conn) io.Reader { return c }},
		{"copy in user space", func(c net.Conn) io.Reader { return struct{ io.Reader }{c} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			a, a2 := tcptest.Pair(b)
			z, z2 := tcptest.Pair(b)
			go io.Copy(z2, c.strip(a2))
			measure(b, a, z)
		})
	}
	b.Run("no copy", func(b *testing.B) {
		from, to := tcptest.Pair(b)
		measure(b, from, to)
	})
}
