package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

// Seen to fail: with each of the cases taken out of unreachable, which then gives the words for a server that does not run.
func TestAServerThatIsNotReachedHasAHintByTheCause(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		err        error
		text, hint string
	}{
		{dial(&net.DNSError{Err: "no such host", Name: "bodkin.example", IsNotFound: true}), "no such host", "is this machine online, and is that name right"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "TLS", "something else answers there: is the address right"},
		{context.DeadlineExceeded, "no answer in time", "does a firewall, here or there,"},
		{dial(os.ErrDeadlineExceeded), "no answer in time", "does a firewall, here or there,"},
		{bodkin.ErrWrongServer, "another server", "the invite is for another server"},
	}
	if runtime.GOOS != "windows" { // where the system has other numbers
		tests = append(tests, []struct {
			err        error
			text, hint string
		}{
			{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), "refused", "is `bodkin server` running there, and on this port?"},
			{dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), "unreachable", "is this machine online? There is no way"},
			{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), "no route", "is this machine online? There is no way"},
			{dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), "no answer in time", "does a firewall, here or there,"},
			{dial(os.NewSyscallError("read", syscall.ECONNRESET)), "reset", "something else answers there, or a firewall"},
		}...)
	}
	for _, test := range tests {
		f := explain(fmt.Errorf("bodkin: join: %w", fmt.Errorf("%w: 192.0.2.1:4000: %w", bodkin.ErrServerUnreachable, test.err)))
		if f.code != exitServerUnreachable || !strings.Contains(f.text, test.text) || !strings.HasPrefix(f.hint, test.hint) {
			t.Errorf("%v: %d, %q, hint %q; want %d, %q, hint %q", test.err, f.code, f.text, f.hint, exitServerUnreachable, test.text, test.hint)
		}
	}
}
