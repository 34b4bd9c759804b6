package reuseport

import (
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// TestLittleIsKeptUnsent fills a connection whose other end reads nothing. Seen to fail without the option: 3.7 MiB are taken.
func TestLittleIsKeptUnsent(t *testing.T) {
	const limit, window = 64 << 10, 32 << 10
	a, b := tcptest.Pair(t)
	if err := b.SetReadBuffer(window); err != nil {
		t.Fatal(err)
	}
	if err := LimitUnsent(a, limit); err != nil {
		t.Fatal(err)
	}
	n := 0
	for tries := 0; n == 0 && tries < 20; tries++ { // a deadline that is over when the write begins lets nothing through
		a.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ = a.Write(make([]byte, 16<<20))
	}
	t.Logf("%d bytes are taken", n)
	if n == 0 || n > 1<<20 { // what is on its way fills the other end's window, which the kernel makes larger than it was told
		t.Errorf("%d bytes are taken", n)
	}
}
