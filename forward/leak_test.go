package forward_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/forward"
)

// TestTenThousandConnectionsLeaveNothingBehind opens and closes them through a forwarding, some in order and some cut.
func TestTenThousandConnectionsLeaveNothingBehind(t *testing.T) {
	const total, atOnce = 10_000, 50
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- forward.Each(ctx, target, echo, nil) }()
	entrance, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- forward.Expose(ctx, entrance, target.Addr().String(), nil) }()
	before := runtime.NumGoroutine()

	var clients sync.WaitGroup
	numbers := make(chan int)
	for range atOnce {
		clients.Go(func() {
			for n := range numbers {
				if err := use(entrance.Addr().String(), n%4 == 0); err != nil {
					t.Errorf("connection %d: %v", n, err)
				}
			}
		})
	}
	for n := range total {
		numbers <- n
	}
	close(numbers)
	clients.Wait()
	deadline := time.After(20 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		default:
			runtime.Gosched()
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// echo opens a connection that says what it hears.
func echo(context.Context) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	go func() {
		io.Copy(far, far)
		far.Close()
	}()
	return near, nil
}

// use says something, hears it, and closes in order or not.
func use(address string, cut bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return err
	}
	if cut {
		return conn.(*net.TCPConn).SetLinger(0)
	}
	return nil
}
