package sockerr

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// TestWhatTheSystemSaysIsUnderstood asks the running system, Windows too.
//
// Seen to fail: with each of the numbers for Linux taken out, and under Wine with syscall.ECONNREFUSED for WSAECONNREFUSED.
func TestWhatTheSystemSaysIsUnderstood(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if _, err := net.Listen("tcp4", address); !IsInUse(err) || IsRefused(err) || IsCut(err) {
		t.Errorf("listen where somebody listens: %v is not known as in use", err)
	}
	reset := pairThatIsReset(t, l)
	if _, err := reset.Read(make([]byte, 1)); !IsCut(err) || IsInUse(err) || IsRefused(err) {
		t.Errorf("read of a connection that was reset: %v is not known as cut", err)
	}
	var written error
	for range 100 {
		if _, written = reset.Write(make([]byte, 1<<16)); written != nil {
			break
		}
	}
	if !IsCut(written) {
		t.Errorf("write to a connection that was reset: %v is not known as cut", written)
	}
	l.Close()
	if _, err := net.Dial("tcp4", address); !IsRefused(err) || IsCut(err) || IsInUse(err) {
		t.Errorf("dial to where nobody listens: %v is not known as refused", err)
	}
	if _, err := net.Listen("tcp4", "192.0.2.1:0"); !IsElsewhere(err) || IsInUse(err) { // TEST-NET-1: nobody's
		t.Errorf("listen at an address of another machine: %v is not known as elsewhere", err)
	}
	stale := filepath.Join(t.TempDir(), "s")
	if _, err := net.Dial("unix", stale); err == nil || IsCut(err) {
		t.Errorf("dial to no socket: %v", err)
	}
}

// pairThatIsReset is one end of a connection whose other end was closed with linger zero.
func pairThatIsReset(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := accepted.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	return conn
}

func TestALackOfAWayIsUnderstood(t *testing.T) {
	for _, number := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH} {
		err := fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", number)})
		if known := runtime.GOOS != "windows"; IsUnreachable(err) != known || IsRefused(err) { // there the system has other numbers
			t.Errorf("%v: known as unreachable: %t, want %t", err, !known, known)
		}
	}
}

func TestEndsAreCutsAndOtherErrorsAreNot(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, fmt.Errorf("read: %w", io.EOF)} {
		if !IsCut(err) {
			t.Errorf("%v is not known as cut", err)
		}
	}
	for _, err := range []error{nil, errors.New("other"), os.ErrNotExist, os.ErrDeadlineExceeded, net.ErrClosed} {
		if IsCut(err) || IsRefused(err) || IsInUse(err) || IsUnsupported(err) || IsUnreachable(err) || IsElsewhere(err) {
			t.Errorf("%v is taken for something of a socket", err)
		}
	}
}
