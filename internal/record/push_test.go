package record

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestWhatFindsNoRoomInTheSocketIsWrittenWhenThereIs(t *testing.T) {
	eachPairing(t, func(t *testing.T, conn *Conn, other net.Conn) {
		data := make([]byte, 12<<20) // more than two sockets hold
		random := rand.NewChaCha8([32]byte{1})
		random.Read(data)
		wrote := chan1(func() error {
			for rest := data; len(rest) > 0; {
				some := rest[:min(len(rest), 3<<20)]
				rest = rest[len(some):]
				if _, err := conn.Write(some); err != nil {
					return err
				}
			}
			return nil
		})
		got := make([]byte, len(data))
		if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read other bytes than were written: %v", err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if straight := conn.out.to.raw != nil; straight != canTry {
			t.Errorf("written straight to the socket: %t, want %t", straight, canTry)
		}
	})
}

func TestAWriteThatFindsNoRoomEndsAtItsDeadline(t *testing.T) {
	a, b := loopback(t)
	conn, _ := secured(t, a, b, true, true)
	if _, err := conn.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	wrote := chan1(func() error { _, err := conn.Write(make([]byte, 64<<20)); return err })
	select {
	case err := <-wrote:
		var op *net.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "write" {
			t.Errorf("error is %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still at work")
	}
}

func TestAWriteTellsThatTheOtherEndIsGone(t *testing.T) {
	a, b := loopback(t)
	conn, _ := secured(t, a, b, true, true)
	if _, err := conn.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	b.(*net.TCPConn).SetLinger(0)
	b.Close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := conn.Write([]byte("more"))
		if err == nil && time.Now().Before(deadline) {
			continue // the reset is on its way
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "write" || canTry && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("error is %v", err)
		}
		return
	}
}

func TestCloseEndsAWriteThatFindsNoRoom(t *testing.T) {
	a, b := loopback(t)
	conn, _ := secured(t, a, b, true, true)
	if _, err := conn.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	wrote := chan1(func() error { _, err := conn.Write(make([]byte, 64<<20)); return err })
	conn.Close() // before, in the middle of the write, or while it waits
	select {
	case err := <-wrote:
		if err == nil {
			t.Error("the write did not fail")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still at work")
	}
}
